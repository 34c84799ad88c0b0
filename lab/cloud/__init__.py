"""The cloud's rules, pure: what its console and its control plane decide. Source: its documentation and SDK models.

Small frozen dataclasses in, values out; nothing here knows files, plans or nodes, so any process may ask.

Decided here for the topology file and the plan:

    quotas              how many of each resource there may be
    keys                what a pre-shared key may be, and new ones
    high_availability   the tunnels of a first creation; haStatus
    routing             which routes of a border gateway are valid
    advertising         what a border gateway tells its neighbors, and between which of them it forwards

Decided for a running lab too: routing, advertising and haStatus once more, with what BGP has brought and which tunnels
are UP, to be carried out by its controller, and

    vpc_routes          the routes of a VPC
    tunnel_status       admin and operational status
    rates               the six rates of a tunnel

To be carried out by `apply`, which takes a lab from one file to the next:

    resources           what there is, and what depends on what
    deletion            what may go, and in which order
    modification        what of a resource may change, and when
    transition          the steps from one set of resources to another
"""
