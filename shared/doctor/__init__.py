"""`attache doctor`: what is wrong with a deployment, and what to do. Looks, and changes nothing for good."""
