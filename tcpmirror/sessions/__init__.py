"""Sessions: which requests belong together, who made them, and what happened in them.

`keys` says what names a session, `track` notes exchanges by session in a worker, `digest` merges what workers and sensors
noted, `record` carries it over rings and networks.
"""
