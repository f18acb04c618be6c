"""Methods that train a network so that what is to be forgotten sits in a part of its own."""
