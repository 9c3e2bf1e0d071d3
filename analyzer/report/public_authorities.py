"""Names of public certificate authorities: these tell nothing private about who uses them."""

from __future__ import annotations

import re

__all__ = ["PUBLIC_CAS", "PUBLIC_ORGANISATIONS"]

PUBLIC_CAS = frozenset(
    """
    ISRG Root X1
    ISRG Root X2
    R3
    R4
    R10
    R11
    R12
    R13
    R14
    E1
    E2
    E5
    E6
    E7
    E8
    E9
    DST Root CA X3
    DigiCert Global Root CA
    DigiCert Global Root G2
    DigiCert Global Root G3
    DigiCert High Assurance EV Root CA
    DigiCert Assured ID Root CA
    DigiCert Trusted Root G4
    DigiCert TLS RSA SHA256 2020 CA1
    DigiCert SHA2 Secure Server CA
    DigiCert SHA2 High Assurance Server CA
    DigiCert Global G2 TLS RSA SHA256 2020 CA1
    DigiCert SHA2 Extended Validation Server CA
    Baltimore CyberTrust Root
    GeoTrust Global CA
    GeoTrust Primary Certification Authority
    RapidSSL TLS RSA CA G1
    GeoTrust TLS RSA CA G1
    Thawte TLS RSA CA G1
    thawte Primary Root CA
    GlobalSign Root CA
    GlobalSign
    GlobalSign Organization Validation CA - SHA256 - G2
    GlobalSign RSA OV SSL CA 2018
    GlobalSign Atlas R3 DV TLS CA 2024 Q1
    AlphaSSL CA - SHA256 - G4
    Amazon Root CA 1
    Amazon Root CA 2
    Amazon Root CA 3
    Amazon Root CA 4
    Amazon RSA 2048 M01
    Amazon RSA 2048 M02
    Amazon RSA 2048 M03
    Amazon RSA 2048 M04
    Starfield Services Root Certificate Authority - G2
    Starfield Root Certificate Authority - G2
    Go Daddy Root Certificate Authority - G2
    Go Daddy Secure Certificate Authority - G2
    GTS Root R1
    GTS Root R2
    GTS Root R3
    GTS Root R4
    GTS CA 1C3
    GTS CA 1D4
    GTS CA 1P5
    WR1
    WR2
    WR3
    WR4
    WE1
    WE2
    Google Internet Authority G2
    Google Internet Authority G3
    USERTrust RSA Certification Authority
    USERTrust ECC Certification Authority
    AAA Certificate Services
    COMODO RSA Certification Authority
    COMODO ECC Certification Authority
    Sectigo RSA Domain Validation Secure Server CA
    Sectigo RSA Organization Validation Secure Server CA
    Sectigo Public Server Authentication Root R46
    Sectigo Public Server Authentication Root E46
    Sectigo Public Server Authentication CA DV R36
    Sectigo Public Server Authentication CA OV R36
    COMODO RSA Domain Validation Secure Server CA
    COMODO RSA Organization Validation Secure Server CA
    Entrust Root Certification Authority - G2
    Entrust Certification Authority - L1K
    Entrust.net Certification Authority (2048)
    Entrust Root Certification Authority
    IdenTrust Commercial Root CA 1
    QuoVadis Root CA 2
    QuoVadis Root CA 2 G3
    SSL.com Root CA RSA
    T-TeleSec GlobalRoot Class 2
    T-TeleSec GlobalRoot Class 3
    D-TRUST Root Class 3 CA 2 2009
    Microsoft RSA Root Certificate Authority 2017
    Microsoft ECC Root Certificate Authority 2017
    VeriSign Class 3 Public Primary Certification Authority - G5
    Symantec Class 3 Secure Server CA - G4
    Buypass Class 2 Root CA
    Buypass Class 3 Root CA
    Certum Trusted Network CA
    SwissSign Gold CA - G2
    ZeroSSL RSA Domain Secure Site CA
    Cloudflare Inc ECC CA-3
    Certigna
    HARICA TLS RSA Root CA 2021
    """.lower()
    .strip()
    .replace("\n    ", "\n")
    .split("\n")
)
"""CNs that public CAs sign with, in lower case. One that is not here is taken for private, which costs a pseudonym."""

PUBLIC_ORGANISATIONS = re.compile(
    r"(let's encrypt|internet security research group|digital signature trust|digicert|geotrust|thawte|symantec"
    r"|verisign|baltimore|globalsign|amazon|starfield|godaddy|google trust services|google inc|cloudflare"
    r"|the usertrust network|comodo|sectigo|entrust|identrust|quovadis|ssl corporation|t-systems|d-trust"
    r"|microsoft corporation|buypass|unizeto|swisssign|zerossl|dhimyotis|hellenic academic)\b[\w\s.,()-]*",
    re.IGNORECASE,
)
"""Their O, in full or up to the first words."""
