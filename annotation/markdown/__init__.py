"""A text as HTML, each of its characters once, in time proportional to it; without Django."""
