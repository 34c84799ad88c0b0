"""charon's own settings: the text of strongswan.conf for one daemon."""

from __future__ import annotations

from pathlib import Path

from endpoint.plan import Retransmission

# An explicit list starts faster than Debian's whole set, and with neither charon 6.0.1 segfaults. OpenSSL brings
# every cipher, hash and DH group that the tunnels can name, in Debian 13 the KDF too; a key needs no
# certificate plugin.
PLUGINS = ("random", "nonce", "openssl", "kdf", "kernel-netlink", "socket-default", "vici")


def render_settings(directory: Path, retransmission: Retransmission, plugins: tuple[str, ...] = PLUGINS) -> str:
    """The text of strongswan.conf: VICI socket and log in `directory`, nothing shared with other daemons.

    Routes and virtual addresses are not charon's business here: XFRM interfaces and the kernel's
    own routing table decide. Log level 1 shows no keys.
    """
    return f"""\
charon-systemd {{
    load = {" ".join(plugins)}
    install_routes = no
    install_virtual_ip = no
    # Addresses are fixed by the plan. Without these two every route that BGP installs
    # would make charon look at all its SAs again.
    process_route = no
    plugins {{
        kernel-netlink {{
            roam_events = no
        }}
        openssl {{
            # DES and MD4 alone are in the legacy provider; no tunnel can name them.
            load_legacy = no
        }}
        vici {{
            socket = unix://{directory}/vici
        }}
    }}
    retransmit_timeout = {retransmission.timeout_s}
    retransmit_base = {retransmission.base}
    retransmit_tries = {retransmission.tries}
    # IKEv1 aggressive mode with a key must be allowed here; a connection still has to ask for it.
    i_dont_care_about_security_and_use_aggressive_mode_psk = yes
    journal {{
        default = -1
    }}
    filelog {{
        log {{
            path = {directory}/charon.log
            default = 1
            append = yes
            flush_line = yes
            ike_name = yes
            time_format = %Y-%m-%dT%H:%M:%S
            time_add_ms = yes
        }}
    }}
}}
"""
