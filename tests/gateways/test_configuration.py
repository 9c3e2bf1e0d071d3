"""Configuration of each product, as its documentation has it: whom it connects to, what it verifies, what it sends."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.configured import read_configurations
from analyzer.gateways import catalogue
from analyzer.gateways.configuration import Configuration, File, Target, _formats, read
from analyzer.gateways.expectation import Seen, notes_on, target_of

NGINX = """
user www-data;
http {
    proxy_ssl_trusted_certificate /etc/nginx/ca.pem;
    proxy_ssl_verify on;   # for all
    upstream orders { server 10.0.0.5:8443 weight=2; server "backup.example:8443" backup; }
    server {
        server_name gw.example;
        location /a { proxy_pass https://orders; }
        location /b { proxy_ssl_verify off; proxy_ssl_server_name on; proxy_pass https://b.example:444/x; }
        location /c { proxy_ssl_name c.example; proxy_ssl_server_name on; proxy_ssl_verify_depth 3;
                      proxy_pass https://10.0.0.7; }
        location /d { set $up https://d.example; proxy_pass $up; }
        location /e { proxy_pass https://$host; }
        location /plain { proxy_pass http://p.example; }
        location /grpc { grpc_pass grpcs://g.example:9000; grpc_ssl_verify on; grpc_ssl_certificate cert.pem; }
        content_by_lua_block { local s = "}" -- } } ' }
        }
        location /z { proxy_pass https://z.example; }
    }
}
stream { server { proxy_ssl on; proxy_pass s.example:636; } }
"""
HAPROXY = """
global
    ca-base /etc/ha
defaults
    mode http
    default-server verify none
backend one
    default-server ssl verify required ca-file ca.pem sni str(one.example)
    server a 10.0.0.5:8443 check
    server b b.example:443 no-ssl
    server c [2001:db8::1]:443 sni req.hdr(host) verifyhost c.example crt me.pem
backend two
    server d d.example:443 ssl
    server e e.example:443 ssl verify required ca-file @system-ca verifyhost "e.example"   # comment
    server f unix@/run/f ssl verify required ca-file ca.pem
"""
APIGEE = """<?xml version="1.0"?>
<TargetEndpoint name="default"><HTTPTargetConnection>{info}<URL>https://api.example/v1</URL>
</HTTPTargetConnection></TargetEndpoint>"""
ENVOY = """
static_resources:
  clusters:
  - name: orders
    transport_socket:
      name: envoy.transport_sockets.tls
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
        sni: api.example
        common_tls_context:
          validation_context:
            trusted_ca: {filename: /etc/ca.pem}
            match_typed_subject_alt_names:
            - {san_type: DNS, matcher: {exact: san.example}}
    load_assignment:
      endpoints:
      - lb_endpoints:
        - endpoint: {address: {socket_address: {address: 10.0.0.5, port_value: 443}}}
  - name: open
    transport_socket:
      typed_config: {"@type": x.UpstreamTlsContext}
"""
APACHE = """
SSLProxyEngine on
<VirtualHost *:80>
    ProxyPass /a https://a.example:8443/
    SSLProxyVerify require
    SSLProxyCACertificateFile \\
        /etc/ca.pem
    <Location "/b">
        SSLProxyVerifyDepth 3
        ProxyPass "https://b.example/"
        SSLProxyCheckPeerName off
    </Location>
</VirtualHost>
<Proxy "balancer://c">
    BalancerMember https://10.0.0.9
</Proxy>
"""
KUBERNETES = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: d, namespace: n}
spec:
  host: api.example
  trafficPolicy: {tls: {mode: SIMPLE, sni: sni.example, credentialName: backend-ca, subjectAltNames: [san.example]}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: p}
spec: {validation: {hostname: h.example, caCertificateRefs: [{kind: ConfigMap, name: ca}]}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: i
  annotations:
    nginx.ingress.kubernetes.io/proxy-ssl-secret: n/backend-ca
    nginx.ingress.kubernetes.io/proxy-ssl-verify: "on"
---
apiVersion: traefik.io/v1alpha1
kind: ServersTransport
metadata: {name: t}
spec: {serverName: t.example, rootCAsSecrets: [ca]}
"""
APPLICATION_GATEWAY = json.dumps(
    {
        "backendAddressPools": [{"name": "p", "backendAddresses": [{"fqdn": "a.example"}, {"ipAddress": "10.0.0.5"}]}],
        "backendHttpSettingsCollection": [
            {
                "name": "s",
                "protocol": "Https",
                "port": 443,
                "hostName": "h.example",
                "trustedRootCertificates": [{"id": "/x/trustedRootCertificates/r"}],
            },
            {"name": "plain", "protocol": "Http", "port": 80},
        ],
        "requestRoutingRules": [
            {"backendAddressPool": {"id": "/x/p"}, "backendHttpSettings": {"id": "/x/backendHttpSettingsCollection/s"}}
        ],
        "trustedRootCertificates": [{"name": "r", "data": "AAAA"}],
    }
)
BACKEND = {"url": "https://b.example/v1", "protocol": "http", "tls": {"validateCertificateChain": False}}
KONG = """
_format_version: "3.0"
services:
- {name: a, host: a.example, port: 8443, protocol: https, tls_verify: true, tls_verify_depth: 2, ca_certificates: [id1]}
- {name: b, url: "https://b.example/x"}
- {name: c, url: "http://c.example"}
"""
TRAEFIK = """
[http.serversTransports.t]
  serverName = "t.example"
  rootCAs = ["ca.pem"]
[http.services.s.loadBalancer]
  serversTransport = "t@file"
  [[http.services.s.loadBalancer.servers]]
    url = "https://10.0.0.5:8443"
"""
SPRING = """
spring:
  cloud:
    gateway:
      httpclient: {ssl: {trustedX509Certificates: [ca.pem], useInsecureTrustManager: false}}
      routes:
      - {id: a, uri: "https://a.example:8443"}
"""
SPRING_PROPERTIES = "spring.cloud.gateway.httpclient.ssl.use-insecure-trust-manager=true\nspring.cloud.gateway.routes[0].uri=https://a.example\n"
YARP = json.dumps(
    {"ReverseProxy": {"Clusters": {"c": {"Destinations": {"d": {"Address": "https://d.example:8443/"}}}}}}
)
JAVA = 'JAVA_OPTS="-Xmx1g -Djavax.net.ssl.trustStore=/opt/ts.jks -Djavax.net.ssl.trustStorePassword=s3cret"'


def configuration(text: str) -> Configuration:
    found = read(File("conf", text.encode()))
    assert found is not None
    return found


def targets(text: str) -> list[Target]:
    return list(configuration(text).targets)


def brief(target: Target) -> tuple[tuple[str, ...], str | None, str | None, bool | None, bool | None]:
    """Endpoints, the name that is sent, the name that is checked, whether chain and name are verified."""
    ends = tuple(map(str, target.endpoints))
    return ends, target.server_name, target.checked_name, target.verifies_chain, target.verifies_name


def test_nginx() -> None:
    found = targets(NGINX)
    a, b, c, d, e, grpc, z, stream = found
    assert brief(a) == (("10.0.0.5:8443", "backup.example:8443"), None, "orders", True, True)
    assert (a.sends_server_name, a.verify_depth, a.stores, a.place) == (False, 1, ("/etc/nginx/ca.pem",), "conf:9")
    assert brief(b) == (("b.example:444",), "b.example", "b.example", False, False)
    assert brief(c) == (("10.0.0.7:443",), "c.example", "c.example", True, True)
    assert c.verify_depth == 3
    assert brief(d)[0] == ("d.example:443",)
    assert brief(e)[0] == ()
    assert (brief(grpc)[0], grpc.verifies_chain, grpc.client_certificate) == (("g.example:9000",), True, True)
    assert brief(z)[0] == ("z.example:443",)
    assert (brief(stream)[0], stream.verifies_chain) == (("s.example:636",), False)


@pytest.mark.engine
@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
def test_what_nginx_prints_with_its_includes(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "a.conf").write_text(
        "server {\n listen 127.0.0.1:1;\n location / {\n  proxy_pass https://127.0.0.1:8443;\n }\n}\n"
    )
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid;\nerror_log stderr;\nevents {{}}\n"
        f"http {{ access_log off; proxy_ssl_name a.example; include {tmp_path}/conf.d/*.conf; }}\n"
    )
    command = ["nginx", "-T", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    (found,) = targets(done.stdout)
    assert (brief(found)[0], found.sends_server_name) == (("127.0.0.1:8443",), False)
    assert found.place == f"{tmp_path}/conf.d/a.conf:4"


def test_haproxy() -> None:
    found = configuration(HAPROXY)
    a, c, d, e, f = found.targets
    assert brief(a) == (("10.0.0.5:8443",), "one.example", "one.example", True, True)
    assert (a.stores, a.place, a.name) == (("/etc/ha/ca.pem",), "conf:9", "one/a")
    assert brief(c) == (("[2001:db8::1]:443",), None, None, True, True)
    assert (c.sends_server_name, c.client_certificate) == (True, True)
    assert brief(d) == (("d.example:443",), None, None, False, False)
    assert brief(e) == (("e.example:443",), None, "e.example", True, True)
    assert e.stores == ("@system-ca",)
    assert brief(f) == ((), None, None, True, False)


@pytest.mark.parametrize(
    ("info", "chain", "name", "stores"),
    [
        ("", False, True, ()),
        ("<SSLInfo><Enabled>true</Enabled><TrustStore>ref://ts</TrustStore></SSLInfo>", True, True, ("ref://ts",)),
        ("<SSLInfo><Enforce>true</Enforce></SSLInfo>", True, True, ("the platform's own trust store",)),
        ("<SSLInfo><Enforce>true</Enforce><TrustStore>ts</TrustStore></SSLInfo>", True, True, ("ts",)),
        (
            "<SSLInfo><TrustStore>ts</TrustStore><IgnoreValidationErrors>true</IgnoreValidationErrors></SSLInfo>",
            False,
            False,
            (),
        ),
        (
            "<SSLInfo><Enforce>true</Enforce><IgnoreValidationErrors>true</IgnoreValidationErrors></SSLInfo>",
            True,
            True,
            ("the platform's own trust store",),
        ),
    ],
)
def test_what_apigee_enforces(info: str, chain: bool, name: bool, stores: tuple[str, ...]) -> None:
    (found,) = targets(APIGEE.format(info=info))
    assert brief(found) == (("api.example:443",), "api.example", "api.example", chain, name)
    assert found.stores == stores


def test_apigee_common_name_and_target_servers() -> None:
    (found,) = targets(APIGEE.format(info="<SSLInfo><CommonName>other.example</CommonName></SSLInfo>"))
    assert found.checked_name == "other.example"
    server = {"name": "s", "host": "s.example", "port": 8443, "sSLInfo": {"enabled": True, "trustStore": "ts"}}
    (found,) = targets(json.dumps(server))
    assert brief(found) == (("s.example:8443",), "s.example", "s.example", True, True)
    inner = "<Host>s.example</Host><Port>443</Port><SSLInfo><Enabled>true</Enabled></SSLInfo>"
    xml = f"<TargetServer name='s'>{inner}</TargetServer>"
    assert brief(targets(xml)[0])[0] == ("s.example:443",)


def test_envoy() -> None:
    orders, unverified = targets(ENVOY)
    assert brief(orders) == (("10.0.0.5:443",), "api.example", "san.example", True, True)
    assert (orders.stores, orders.place) == (("/etc/ca.pem",), "conf:4")
    assert brief(unverified) == ((), None, None, False, False)


def test_envoy_config_dump_with_a_secret() -> None:
    tls = {
        "@type": "x.UpstreamTlsContext",
        "sni": "a.example",
        "commonTlsContext": {"validationContextSdsSecretConfig": {"name": "ca"}},
    }
    dump = {
        "configs": [
            {"dynamic_active_clusters": [{"cluster": {"name": "c", "transportSocket": {"typedConfig": tls}}}]},
            {"secret": {"name": "ca", "validation_context": {"trusted_ca": {"inline_string": "-----BEGIN X-----"}}}},
        ]
    }
    (found,) = targets(json.dumps(dump))
    assert (found.verifies_chain, found.stores) == (True, ("trusted_ca of c",))
    del dump["configs"][1]
    (found,) = targets(json.dumps(dump))
    assert found.verifies_chain is None


def test_apache() -> None:
    by_end = {str(target.endpoints[0]): target for target in targets(APACHE)}
    first, second, third = by_end["a.example:8443"], by_end["b.example:443"], by_end["10.0.0.9:443"]
    assert brief(first) == (("a.example:8443",), "a.example", "a.example", True, True)
    assert (first.verifies_chain, first.verify_depth, first.stores) == (True, 0, ("/etc/ca.pem",))
    assert (second.verifies_chain, second.verify_depth, second.verifies_name) == (True, 2, False)
    assert (third.verifies_chain, third.verifies_name, third.verifies_dates) == (False, True, True)
    assert third.sends_server_name is False


def test_kubernetes_objects() -> None:
    rule, policy, ingress, transport = targets(KUBERNETES)
    assert brief(rule) == (("api.example",), "sni.example", "san.example", True, True)
    assert brief(policy) == ((), "h.example", "h.example", True, True)
    assert (ingress.checked_name, ingress.verify_depth, ingress.stores) == (
        "upstream_balancer",
        1,
        ("Secret n/backend-ca",),
    )
    assert (transport.product, transport.checked_name) == ("traefik", "t.example")


def test_azure() -> None:
    (setting,) = targets(APPLICATION_GATEWAY)
    assert brief(setting) == (("a.example:443", "10.0.0.5:443"), "h.example", "h.example", True, True)
    assert setting.stores == ("r",)
    whole = {"type": "Microsoft.ApiManagement/service/backends", "name": "b", "properties": BACKEND}
    for answer in (BACKEND, whole, {"resources": [whole]}):
        (backend,) = targets(json.dumps(answer))
        assert brief(backend) == (("b.example:443",), "b.example", "b.example", False, True)


def test_kong() -> None:
    a, b = targets(KONG)
    assert brief(a) == (("a.example:8443",), "a.example", "a.example", True, True)
    assert (a.verify_depth, a.stores) == (2, ("id1",))
    assert brief(b) == (("b.example:443",), "b.example", "b.example", False, False)


def test_traefik_spring_yarp_and_java() -> None:
    assert brief(targets(TRAEFIK)[0]) == (("10.0.0.5:8443",), "t.example", "t.example", True, True)
    (spring,) = targets(SPRING)
    assert (brief(spring)[0], spring.verifies_chain, spring.stores) == (("a.example:8443",), True, ("ca.pem",))
    assert targets(SPRING_PROPERTIES)[0].verifies_chain is False
    assert brief(targets(YARP)[0]) == (("d.example:8443",), "d.example", "d.example", True, True)
    java = configuration(JAVA)
    assert (java.stores[0].path, java.stores[0].password) == ("/opt/ts.jks", "s3cret")


SAMPLES = [NGINX, HAPROXY, APIGEE, ENVOY, APACHE, KUBERNETES, APPLICATION_GATEWAY, json.dumps(BACKEND), KONG, TRAEFIK]
SAMPLES += [SPRING, SPRING_PROPERTIES, YARP, JAVA]


@pytest.mark.parametrize("sample", SAMPLES, ids=range(len(SAMPLES)))
def test_exactly_one_form_recognises_a_configuration_of_a_known_product(sample: str) -> None:
    file = File("conf", sample.encode())
    assert len([form.name for form in _formats() if form.recognise(file)]) == 1
    assert {target.product for target in targets(sample)} <= set(catalogue())


def test_passwords_and_keys_are_never_shown() -> None:
    assert "s3cret" not in repr(configuration(JAVA))


@settings(max_examples=400, deadline=None)
@given(
    sample=st.sampled_from(SAMPLES), start=st.integers(0, 4000), length=st.integers(0, 60),
    new=st.text(alphabet="{}[]<>;:\"'\\$#\n\t ab1,&*!|-", max_size=12),
)  # fmt: skip
def test_no_form_raises_on_a_damaged_configuration(sample: str, start: int, length: int, new: str) -> None:
    place = start % (len(sample) + 1)
    file = File("conf", (sample[:place] + new + sample[place + length :]).encode())
    for form in _formats():
        if form.recognise(file):
            for target in form.read(file).targets:
                assert target.name.isprintable()
                assert all(note.isprintable() for note in target.notes)


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=400))
def test_no_form_raises_on_any_bytes(data: bytes) -> None:
    file = File("conf", data)
    for form in _formats():
        form.recognise(file)
        form.read(file)
    assert read(file) is not None or file.fault()


def test_a_connection_finds_its_target_by_name_by_address_or_as_the_only_one() -> None:
    found = targets(HAPROXY)
    by_name = target_of(found, Seen(server="10.0.0.9", port=443, hello=True, server_name="E.example."))
    assert by_name is not None
    assert (by_name.target.name, by_name.matched) == ("two/e", "the server name (SNI)")
    by_address = target_of(found, Seen(server="10.0.0.5", port=8443, hello=True))
    assert by_address is not None
    assert (by_address.target.name, by_address.matched) == ("one/a", "the address and port")
    assert target_of(found, Seen(server="10.0.0.9", port=443, hello=True, server_name="www.example")) is not None
    named = [target for target in found if target.endpoints and target.checked_name]
    assert target_of(named, Seen(server="10.0.0.9", port=443, hello=True, server_name="www.example")) is None


def test_what_the_wire_shows_against_the_configuration_is_told() -> None:
    (found,) = targets(APIGEE.format(info=""))

    def texts(**seen: object) -> str:
        facts = Seen(server="10.0.0.5", port=443, **{"hello": True, **seen})  # type: ignore[arg-type]
        return " ".join(note.text for note in notes_on(found, facts))

    assert "configured to be sent (SNI), and the ClientHello carries none" in texts()
    assert "and the ClientHello carries x.example" in texts(server_name="x.example")
    assert "ClientHello" not in texts(server_name="api.example")
    assert "does not verify the chain" in texts(server_name="api.example")
    assert "asked for a client certificate, and none is configured" in texts(
        server_name="api.example", certificate_requested=True
    )


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "the file is empty"),
        (b"\x7fELF\0\0\0\0", "is binary"),
        (b"<a><b></a>", "is no XML: line 1"),
        (b'<!DOCTYPE a [<!ENTITY x "y">]><TargetEndpoint>&x;</TargetEndpoint>', "document type declaration"),
        (b'{"a": ', "is no JSON: line 1"),
        (b'{"a": 1}', "of no product's configuration"),
        (b"just words", "of a product that is known here"),
    ],
)
def test_what_is_no_configuration_is_a_problem_and_the_rest_is_read(content: bytes, text: str, tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(content)
    (tmp_path / "good").write_text(HAPROXY)
    found = read_configurations([tmp_path / "bad", tmp_path / "good", tmp_path / "missing"], None, stores_wanted=True)
    told = {problem.source: problem for problem in found.problems if problem.severity == "error"}
    assert text in told[str(tmp_path / "bad")].text
    assert told[str(tmp_path / "missing")].code == "missing-file"
    assert len(found.targets) == 5


def test_a_store_that_is_not_at_hand_is_asked_for_and_one_beside_the_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "haproxy.cfg").write_text(HAPROXY)
    found = read_configurations([tmp_path / "haproxy.cfg"], None, stores_wanted=True)
    assert {problem.code for problem in found.problems} == {"store-not-at-hand"}
    assert ["@system-ca" in problem.text for problem in found.problems] == [False, True]
    shutil.copy(Path(__file__).parents[1] / "trust" / "data" / "stores" / "root.pem", tmp_path / "ca.pem")
    found = read_configurations([tmp_path / "haproxy.cfg"], None, stores_wanted=True)
    assert found.store is not None
    assert len(found.store.certificates) == 1
    assert read_configurations([tmp_path / "haproxy.cfg"], None, stores_wanted=False).store is None


def test_a_configuration_cannot_name_a_pipe_to_hang_on(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "ca.pem")
    (tmp_path / "haproxy.cfg").write_text(HAPROXY)
    found = read_configurations([tmp_path / "haproxy.cfg"], None, stores_wanted=True)
    assert found.store is None
