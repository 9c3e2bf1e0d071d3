"""YARP in appsettings.json: `ReverseProxy.Clusters.*.Destinations.*.Address`, and `HttpClient` of a cluster.

The name that is checked is the host of the address; `DangerousAcceptAnyServerCertificate` verifies nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from analyzer.gateways.configuration import Configuration, File, Format, Target
from analyzer.gateways.configuration._reading import dig, endpoint_of_url, is_address, shown, switch

__all__ = ["FORMAT"]


def _recognise(file: File) -> bool:
    return any(isinstance(dig(value, "ReverseProxy", "Clusters"), dict) for value in file.values)


def _read(file: File) -> Configuration:
    return Configuration(
        product="dotnet", targets=tuple(target for value in file.values for target in _targets(file, value))
    )


def _targets(file: File, value: Any) -> Iterator[Target]:
    clusters = dig(value, "ReverseProxy", "Clusters")
    for name, cluster in clusters.items() if isinstance(clusters, dict) else ():
        accepts = bool(switch(dig(cluster, "HttpClient", "DangerousAcceptAnyServerCertificate")))
        destinations = dig(cluster, "Destinations")
        for key, destination in destinations.items() if isinstance(destinations, dict) else ():
            scheme, end = endpoint_of_url(str(dig(destination, "Address") or ""))
            if scheme != "https" or end is None:
                continue
            sent = None if is_address(end.host) else end.host
            yield Target(
                name=f"cluster {shown(name)}, destination {shown(key)}",
                product="dotnet",
                place=f"{file.name} ReverseProxy.Clusters.{shown(name)}",
                endpoints=(end,),
                server_name=sent,
                sends_server_name=sent is not None,
                checked_name=end.host,
                verifies_chain=not accepts,
                verifies_name=not accepts,
                notes=("DangerousAcceptAnyServerCertificate is true",) if accepts else (),
            )


FORMAT = Format(name="YARP (.NET)", recognise=_recognise, read=_read)
