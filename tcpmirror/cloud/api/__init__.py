"""The HTTP face of the cloud, below `/api/v1`: what nodes send, what people and scripts ask, who may."""
