"""One VPN endpoint: XFRM interfaces, strongSwan over VICI, kernel routes. Knows nothing of labs or clouds."""
