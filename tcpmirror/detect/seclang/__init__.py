"""seclang: rules written in ModSecurity's language, loaded and run over requests.

* `grammar`: directives, variables and actions of the text (lark).
* `rules`: what they mean: values, with a reason for each that cannot be had here.
* `ruleset`: whole directories, with what later directives remove and change.
* `transformations`, `operators`, `transaction`: the functions, comparisons and variables of the language.
* `scanner`: all patterns in one Hyperscan database; `engine`: anomaly scoring per request.

Written from the public reference of the language; of any rule set nothing is contained here.
"""
