"""What responses give away: whether an attack worked.

* `proofs`: the proof that a response holds for one finding; asks the modules below by the type of the attack.
* `outputs`: what files and commands look like that attacks ask for.
* `databases`: error texts and echoes of injected queries.
* `echoes`: injected markup, headers and targets that came back as what they are.
* `delays`: answers that take as long as the attack asked for.
"""
