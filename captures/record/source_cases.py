"""The two cases that the tool was built for, from products that nobody can run here: Apigee Edge and Azure APIM.

The captures are real, of the stack that comes nearest to the product: a Java NIO SSLEngine that leaves without its
alert, and .NET. What the product itself would write (configuration, management API, log, trace) is written after its
documentation around what is real: addresses, ports and times from the capture, the exception from that very run, the
words of the real certificates. The README beside the cases says which is which.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa

from captures.record import gateways, lab, pki, stacks, walk
from captures.record.clients import CLIENTS
from captures.record.products import PORT, PRODUCTS
from captures.record.recording import RecordingError

MESSAGE_ID = "rt-mp-0-4711-28190"
"""The id of the message that failed in the Apigee case."""

CORRELATION_ID = "5d1c7f0e-9b3a-4c52-8a61-0f7f4be02d13"
"""The id of the request that failed in the Azure case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCase:
    """How one of them is recorded: `record` takes the folder to make and that of the compiled programs."""

    record: Callable[[Path, Path], None]
    needs: tuple[str, ...]


def apigee(out: Path, programs: Path) -> None:
    """Record a message processor's leg to a backend whose root is not in the trust store."""
    trusted = pki.STORES["without-root"]
    with gateways.running_lab(pki.CHAINS["full"], delay=4) as (wire, _):
        store = wire.directory / "truststore.p12"
        pki.write_keystore(store, "PKCS12", trusted)
        client = ["java", *stacks.JAVA_SETTINGS, "-cp", str(programs), "NioClient", pki.HOST, str(PORT), str(store)]
        options = ["alert=keep", "read=record", "log=yes"]
        seen = gateways.watch(wire, lambda: wire.run(wire.client, [*client, *options], timeout=15))
        events = walk.events(seen.packets)
        if "client_alert" in events or "client_rst" not in events or "PKIX path" not in seen.said.output:
            raise RecordingError(f"not the playbook's ending: {events}\n{seen.said.output}")
        gateways.begin(out, seen)
    (out / gateways.CANDIDATE).write_bytes(pki.pem(("acme-intermediate", "acme-root")))
    (out / "target-endpoint.xml").write_text(_TARGET_ENDPOINT.format(host=pki.HOST))
    aliases = [_alias(name) for name in trusted]
    _write_json(out / "truststore.json", {"certs": list(trusted), "keys": [], "name": "orders-truststore"})
    for alias in aliases:
        _write_json(out / f"truststore-{alias['alias']}.json", alias)
    (out / "truststore.pem").write_bytes(pki.pem(trusted))
    chain = seen.said.output[seen.said.output.index("javax.net.ssl.SSLHandshakeException") :].partition("\nerror: ")[0]
    (out / "system.log").write_text(_system_log(seen.packets, chain))
    gateways.write_about(out, {
        "name": out.name,
        "shows": "Apigee Edge: the message processor does not trust the backend's root, and leaves without an alert",
        "gateway": "apigee-edge",
        "product": f"{CLIENTS['java-nio'].title} {stacks.version_of(*_JAVA_VERSION)}",
        "configuration": ["target-endpoint.xml", "truststore.json", *(f"truststore-{name}.json" for name in trusted)],
        "truststore": ["truststore.pem"],
        "candidates": [gateways.CANDIDATE],
        "host": pki.HOST,
        "zone": "UTC",
        "server_chain": list(pki.digests(pki.CHAINS["full"])),
        "expected": gateways.expected(seen, "missing-root"),
        "logs": [{
            "file": "system.log",
            "line": gateways.matching_lines(out / "system.log", rf"messageid:{MESSAGE_ID} .*handshakeFailed")[0],
            "connection": 0,
            "id": MESSAGE_ID,
        }],
    })  # fmt: skip


def azure(chain: str, out: Path, programs: Path) -> None:
    """Record API Management's leg to a backend that sends `chain`, of a private CA that nobody trusts."""
    with gateways.running_lab(pki.CHAINS[chain]) as (wire, _):
        bundle = wire.directory / "anchors.pem"
        bundle.write_bytes(pki.pem(("globex-root",)))
        job = stacks.Job(
            lab=wire, host=pki.HOST, family=4, port=PORT, tls="1.2", bundle=bundle, patience=8, chain=pki.CHAINS[chain],
            identity=(), client_options=(), server_options=(), programs=programs,
        )  # fmt: skip
        seen = gateways.watch(wire, lambda: CLIENTS["dotnet"].talk(job))
        if "remote certificate is invalid" not in seen.said.output:
            raise RecordingError(seen.said.output)
        gateways.begin(out, seen)
    (out / gateways.CANDIDATE).write_bytes(pki.pem(("acme-intermediate", "acme-root")))
    _write_json(out / "apim.json", _apim_show())
    _write_json(out / "backend.json", _apim_backend())
    _write_json(out / "trace.json", _apim_trace(seen.packets))
    dotnet = CLIENTS["dotnet"]
    gateways.write_about(out, {
        "name": out.name,
        "shows": _AZURE_SHOWS[chain],
        "gateway": "azure-apim",
        "product": f"{dotnet.title} {stacks.version_of(dotnet.version, dotnet.version_pattern)}",
        "configuration": ["apim.json", "backend.json"],
        "truststore": [],
        "candidates": [gateways.CANDIDATE],
        "host": pki.HOST,
        "zone": "UTC",
        "server_chain": list(pki.digests(pki.CHAINS[chain])),
        "expected": gateways.expected(seen, "missing-root" if chain == "usual" else "missing-intermediate"),
        "logs": [{
            "file": "trace.json",
            "line": gateways.matching_lines(out / "trace.json", "underlying connection was closed")[0],
            "connection": 0,
            "id": CORRELATION_ID,
        }],
    })  # fmt: skip


_JAVA_VERSION = (PRODUCTS["java"].version, PRODUCTS["java"].version_pattern)

SOURCE_CASES: dict[str, SourceCase] = {
    "apigee-edge": SourceCase(record=apigee, needs=("java", "javac", "keytool")),
    "azure-apim": SourceCase(record=lambda out, programs: azure("usual", out, programs), needs=("hsa-dotnet",)),
    "azure-apim-leaf-only": SourceCase(
        record=lambda out, programs: azure("leaf-only", out, programs), needs=("hsa-dotnet",)
    ),
}


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n")


def _alias(name: str) -> dict[str, Any]:
    """Describe a certificate as the management API answers `GET …/keystores/K/aliases/A`: words, and no key."""
    certificate = pki.certificate(name)
    key = certificate.public_key()
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    info: dict[str, Any] = {
        "basicConstraints": "CA:TRUE" if constraints.ca else "CA:FALSE",
        "expiryDate": str(_milliseconds(certificate.not_valid_after_utc)),
        "isValid": "Yes",
        "issuer": _written(certificate.issuer),
        "publicKey": "RSA Public Key, 2048 bits" if isinstance(key, rsa.RSAPublicKey) else "EC Public Key, 256 bits",
        "serialNumber": ":".join(re.findall("..", f"{certificate.serial_number:030x}")),
        "sigAlgName": "SHA256withRSA" if isinstance(key, rsa.RSAPublicKey) else "SHA256withECDSA",
        "subject": _written(certificate.subject),
        "subjectAlternativeNames": [],
        "validFrom": str(_milliseconds(certificate.not_valid_before_utc)),
        "version": 3,
    }
    return {"alias": name, "certsInfo": {"certInfo": [info], "certName": f"{name}.pem"}, "type": "cert"}


def _written(name: x509.Name) -> str:
    """Write a name as Java does: the most particular part first, a space behind each comma."""
    return ", ".join(part.rfc4514_string() for part in reversed(list(name)))


def _milliseconds(time: dt.datetime) -> int:
    return int(time.timestamp() * 1000)


def _system_log(packets: tuple[walk.Packet, ...], exception: str) -> str:
    """Write the message processor's log: about a handshake that was not recorded, and about the one that was."""
    gone = next(packet for packet in packets if packet.fin and packet.sender == "client")
    age = round((gone.time - packets[0].time) * 1000)
    last = next(packet for packet in reversed(packets) if packet.sender == "server" and packet.time < gone.time)
    local, remote = gateways.local_address(packets), f"{lab.SERVER_ADDRESS[4]}:{PORT}"
    failed = dt.datetime.fromtimestamp(gone.time, dt.UTC)
    before = failed - dt.timedelta(seconds=41)
    # The documented texts begin with the exception's cause, as the Java 8 of those days wrote it.
    reason = next(line for line in exception.splitlines() if line.startswith("Caused by: ")).removeprefix("Caused by: ")
    context = "org:acme env:prod api:orders rev:7"
    return _SYSTEM_LOG.format(
        before=_stamp(before),
        failed=_stamp(failed),
        context=context,
        id=MESSAGE_ID,
        remote=remote,
        local=local,
        age=age,
        idle=round((gone.time - last.time) * 1000),
        reason=reason,
        exception=exception.rstrip(),
    )


def _stamp(time: dt.datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S},{time.microsecond // 1000:03}"


def _thumbprint(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA1()).hex().upper()


def _apim_show() -> dict[str, Any]:
    """Describe the service as `az apim show` does; of an uploaded PFX it tells the leaf alone."""
    leaf = pki.certificate("leaf")
    return {
        "additionalLocations": None,
        "certificates": [
            {
                "certificate": {
                    "expiry": f"{leaf.not_valid_after_utc:%Y-%m-%dT%H:%M:%S+00:00}",
                    "subject": _written(leaf.subject),
                    "thumbprint": _thumbprint(leaf),
                },
                "certificatePassword": None,
                "certificateSource": None,
                "certificateStatus": None,
                "encodedCertificate": None,
                "storeName": "Root",
            }
        ],
        "gatewayUrl": "https://acme-orders.azure-api.net",
        "id": f"{_SERVICE}",
        "location": "West Europe",
        "name": "acme-orders",
        "provisioningState": "Succeeded",
        "publisherName": "Acme",
        "resourceGroup": "integration",
        "sku": {"capacity": 1, "name": "Developer"},
        "type": "Microsoft.ApiManagement/service",
    }


def _apim_backend() -> dict[str, Any]:
    return {
        "id": f"{_SERVICE}/backends/orders",
        "name": "orders",
        "properties": {
            "protocol": "http",
            "tls": {"validateCertificateChain": True, "validateCertificateName": True},
            "url": f"https://{pki.HOST}/v1",
        },
        "type": "Microsoft.ApiManagement/service/backends",
    }


def _apim_trace(packets: tuple[walk.Packet, ...]) -> dict[str, Any]:
    """Write a request's trace, its times about those of the recorded connection."""
    begun = dt.datetime.fromtimestamp(packets[0].time, dt.UTC)
    gone = dt.datetime.fromtimestamp(packets[-1].time, dt.UTC)
    arrived = begun - dt.timedelta(milliseconds=3)
    url = f"https://{pki.HOST}/v1/orders/4711"

    def entry(source: str, time: dt.datetime, data: Mapping[str, Any]) -> dict[str, Any]:
        elapsed = (time - arrived).total_seconds()
        return {
            "source": source,
            "timestamp": f"{time:%Y-%m-%dT%H:%M:%S.%f}1Z",
            "elapsed": f"00:00:{elapsed:010.7f}",
            "data": data,
        }

    refused = {
        "messages": [
            "Error occured while calling backend service.",
            _UNDERLYING,
            "The remote certificate is invalid according to the validation procedure.",
        ]
    }
    forwarded = {
        "message": "Request is being forwarded to the backend service. Timeout set to 300 seconds",
        "request": {"method": "GET", "url": url, "headers": [{"name": "Host", "value": pki.HOST}]},
    }
    request = {"request": {"method": "GET", "url": "https://acme-orders.azure-api.net/orders/4711", "headers": []}}
    answer = {"response": {"status": {"code": 500, "reason": "Internal Server Error"}, "headers": []}}
    return {
        "traceId": CORRELATION_ID,
        "serviceName": "acme-orders.azure-api.net",
        "traceEntries": {
            "inbound": [entry("api-inspector", arrived, request)],
            "backend": [entry("forward-request", begun, forwarded), entry("forward-request", gone, refused)],
            "on-error": [entry("transfer-response", gone, answer)],
        },
    }


_AZURE_SHOWS = {
    "usual": "Azure API Management: the CA stores lack the backend's private CA",
    "leaf-only": "the same, and the backend sends its leaf alone",
}

_UNDERLYING = (
    "The underlying connection was closed: Could not establish trust relationship for the SSL/TLS secure channel."
)

_SERVICE = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/integration"
    "/providers/Microsoft.ApiManagement/service/acme-orders"
)

_TARGET_ENDPOINT = """\
<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<TargetEndpoint name="default">
    <PreFlow name="PreFlow">
        <Request/>
        <Response/>
    </PreFlow>
    <HTTPTargetConnection>
        <SSLInfo>
            <Enabled>true</Enabled>
            <Enforce>true</Enforce>
            <TrustStore>orders-truststore</TrustStore>
        </SSLInfo>
        <URL>https://{host}/v1</URL>
    </HTTPTargetConnection>
</TargetEndpoint>
"""

_SYSTEM_LOG = """\
{before}  {context} messageid:rt-mp-0-4711-28044 NIOThread@2 ERROR HTTP.CLIENT - HTTPClient$Context.handshakeTimeout() : SSLClientChannel[Connected: Remote:10.77.0.9:443 Local:10.77.0.1:41822]@739028 useCount=1 bytesRead=0 bytesWritten=0 age=55221ms lastIO=55221ms isOpen=true handshake timeout
{failed}  {context} messageid:{id} NIOThread@1 INFO  HTTP.CLIENT - HTTPClient$Context.connected() : SSLClientChannel[Connected: Remote:{remote} Local:{local}]@805413 useCount=1 bytesRead=0 bytesWritten=0 age={age}ms lastIO={idle}ms isOpen=true
{failed}  {context} messageid:{id} NIOThread@1 ERROR HTTP.CLIENT - HTTPClient$Context.handshakeFailed() : SSLClientChannel[Connected: Remote:{remote} Local:{local}]@805413 useCount=1 bytesRead=0 bytesWritten=0 age={age}ms lastIO={idle}ms isOpen=true handshake failed, message: {reason}
{exception}
{failed}  {context} messageid:{id} NIOThread@1 ERROR ADAPTORS.HTTP.FLOW - RequestWriteListener.onException() : RequestWriteListener.onException(HTTPRequest@38a26b2f, SSL Handshake failed {reason})
"""  # noqa: E501 - lines of a log
