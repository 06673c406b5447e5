"""Front processes: gRPC in processes of its own, so that the one that stores and recalls has a processor to itself.

Theory of operation:
    gRPC in Python takes some 200 µs of processor time a call, as much as a small recall, and Python lets one thread run
    at a time. So a program in Go, of the folder `front` of the checkout, listens on the gRPC port and relays calls,
    unread, over a socket pair to the engine (the process with the store and the index), which runs their handlers and
    relays back what they answer. Everything that is decided about a call is decided by the engine: `boundary` cannot
    tell a relayed call from one of its own process.

Rooms:
    frames: what travels, and the link that it travels over. options: what a front process is told. launch: starts one.
    relay: the engine's side of the calls; pool: of the processes.

Rules:
    1. A front process knows no method's messages, no credential and no state; it can be killed at any time, and its
       calls end as if their clients had gone. The engine starts another one.
    2. Nothing is read from a client before its handler asks for it, but for the one request of a unary call where
       callers are trusted (`BoundaryOptions.reads_late`); nothing is written to a link before what was written
       earlier for the same call, but for a window, has been taken by gRPC. A call is not relayed, and no response asked
       for, while its connection has too many unread answers. Memory is bounded on both sides.
    3. A front process ends with the engine: by its order, by the end of the link, or by the kernel's signal.
    4. Signals to end are the engine's: a front process heeds none.
"""
