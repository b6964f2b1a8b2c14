"""The paper's tables at our scale: one network, one pool of scenes, one thing changed at a time."""
