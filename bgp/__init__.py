"""One BGP speaker: the ExaBGP process, its messages, the RIB and the decision. Knows nothing of IPsec."""
