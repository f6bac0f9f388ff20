"""Behaviour in the cloud: counters of all sensors, merged, and the attacks that they come to."""
