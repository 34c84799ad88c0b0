"""Another computer: one small QEMU guest per lab, with a kernel that has everything."""
