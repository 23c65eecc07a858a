"""Every decoder: one file a registry name, plus the one diffusion search that they configure."""
