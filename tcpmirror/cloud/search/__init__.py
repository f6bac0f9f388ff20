"""The search language of the lists: `attacks sqli last 24h ip:10.0.0.0/8 statuscode:5* !scanner`.

* `tree`: what was asked, as values.
* `grammar`: text to terms, and where each stands.
* `keys`: the words and keys there are, and how each reads its values.
* `language`: text to one tree, or an error that names the word, its place and what is accepted.
* `conditions`: a tree as conditions on the tables, for each database alike.
* `writing`: values out of traffic as terms that find them; what may complete a text.
"""
