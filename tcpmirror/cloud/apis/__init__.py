"""The inventory of APIs in the cloud: digests of all sensors merged, endpoints made of them, specifications."""
