"""The web pages over the cloud's store: sign-in, attacks, one attack, nodes.

Pages are NiceGUI pages in the cloud's own application; all files they load come with the installation. Text out of traffic
reaches a page only as the text of an element or a value bound by Vue, never as markup (`text.visible` also makes its control
characters visible); `content_policy` lets the browser run no script that the page did not come with.
"""
