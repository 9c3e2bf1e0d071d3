"""Stage 2: packets to TCP segments, segments to flows, flows to ordered bytes.

`decode` turns a batch of packets into columns of TCP segments, `Flows` sorts them into connections numbered as
Wireshark's `tcp.stream` and puts each direction's bytes in order for a consumer.
"""
