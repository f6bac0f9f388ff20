"""What traffic gives away about the servers: whether an attack worked, and weaknesses without one.

* `proofs`: the proof that a response holds for one finding; asks the modules below by the type of the attack.
* `outputs`: what files and commands look like that attacks ask for.
* `databases`: error texts and echoes of injected queries.
* `echoes`: injected markup, headers and targets that came back as what they are.
* `delays`: answers that take as long as the attack asked for.
* `catalog`: the kinds of weaknesses, with their risk and what to do.
* `signs`: what one exchange shows of them; `components`: versions with known vulnerabilities.
* `assessor`: which exchanges are looked at, and what several come to.
* `weakness`: records that merge, and their bytes.
"""
