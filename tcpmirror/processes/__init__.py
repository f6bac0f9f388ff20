"""The main loop of each kind of process, and the commands that run the same loops once.

`capture`, `worker`, `exporter`, `cloud`: one ``run(context)`` each. Here the stages meet, which import nothing of one
another: `capture_road` joins capture, decap and ring; `worker_road` ring and reassembly; `detection` decode and detect;
`judging` all that a worker does with an exchange.
"""
