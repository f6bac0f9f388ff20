"""What only more than one exchange shows: who tries many values, paths or passwords, in windows of packet time.

`watch` counts in a worker, `counter` merges what workers and sensors counted and says what lies above a threshold, `record`
carries counters over rings and networks. A counter belongs to a control (`settings.tree.Control`): what is counted, by whom
and where, in which time, and how many of it are too many.
"""
