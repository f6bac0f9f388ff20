"""The values on the road: segment, stream events, exchange, point, finding, report, and the names of oddities and attacks.

Everything else imports from here; nothing here imports more than the standard library.
"""
