"""Is a benchmark worth anything? What its data give away, and what counting alone reaches (`mrbench data audit`)."""
