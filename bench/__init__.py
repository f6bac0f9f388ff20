"""The bench: real traffic made here, captured here, and the sensor's cost for it.

``network``  namespaces and cables, and the processes inside them; gone when the `with` block ends
``nginx``    a real web server in one of them
``client``   keep-alive clients that check every answer they get
``traffic``  the three together under tcpdump: a capture file and what is in it
``measure``  `tcpmirror analyze` over that file: first right, then fast

`python -m bench` runs them all. The live tests build on the first three.
"""
