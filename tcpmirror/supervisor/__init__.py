"""The parent of all processes of one sensor, and the command that speaks to it.

Read in this order: `command` (what an operator types), `supervisor` (the loop: signals, control socket, service manager),
`tree` (which processes run, when one is started again, in which order they stop), `fork` (what happens in a new process
before its own main), `reload` (what a changed settings file means for processes that run). `pid_file`, `control`, `notify`,
`credentials`, `privileges`, `daemon` and `status` are one small matter each.

The parent keeps one thread and no lock, parses no traffic and opens no network socket: it should be the last to die.
"""
