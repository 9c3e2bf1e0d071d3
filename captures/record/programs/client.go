// Client GETs a page by net/http.
//
// Usage: client URL BUNDLE TIMEOUT [NAME=VALUE ...], with the trust anchors as a PEM bundle and the timeout as
// in "3s". The names:
//
//	cert=FILE, key=FILE   the client's certificates and its key, as PEM files
//	min=VERSION           the lowest version of TLS, as in "1.2"
//	max=VERSION           the highest
//	suites=ID,...         the cipher suites of TLS 1.2, as hexadecimal numbers
//	curves=ID,...         the groups, as decimal numbers
//	alpn=NAME,...         the application protocols
//	sni=HOST              the name to ask for; empty for the URL's
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

var versions = map[string]uint16{
	"1.0": tls.VersionTLS10, "1.1": tls.VersionTLS11, "1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13,
}

func main() {
	pem, err := os.ReadFile(os.Args[2])
	exitOn(err)
	timeout, err := time.ParseDuration(os.Args[3])
	exitOn(err)
	anchors := x509.NewCertPool()
	if !anchors.AppendCertsFromPEM(pem) {
		exitOn(fmt.Errorf("no certificate in %s", os.Args[2]))
	}
	config := &tls.Config{RootCAs: anchors}
	options := map[string]string{}
	for _, argument := range os.Args[4:] {
		name, value, _ := strings.Cut(argument, "=")
		options[name] = value
	}
	exitOn(configure(config, options))
	client := &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			TLSClientConfig:   config,
			DisableKeepAlives: true,
		},
	}
	response, err := client.Get(os.Args[1])
	exitOn(err)
	body, err := io.ReadAll(response.Body)
	exitOn(err)
	fmt.Printf("%s, %d bytes\n", response.Status, len(body))
	if response.StatusCode >= 400 {
		os.Exit(1)
	}
}

func configure(config *tls.Config, options map[string]string) error {
	for name, value := range options {
		switch name {
		case "cert":
			pair, err := tls.LoadX509KeyPair(value, options["key"])
			if err != nil {
				return err
			}
			// A function, because Certificates are sent only when they fit the CA list of the request.
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return &pair, nil
			}
		case "key":
		case "min":
			config.MinVersion = versions[value]
		case "max":
			config.MaxVersion = versions[value]
		case "suites":
			for _, number := range strings.Split(value, ",") {
				id, err := strconv.ParseUint(number, 16, 16)
				if err != nil {
					return err
				}
				config.CipherSuites = append(config.CipherSuites, uint16(id))
			}
		case "curves":
			for _, number := range strings.Split(value, ",") {
				id, err := strconv.ParseUint(number, 10, 16)
				if err != nil {
					return err
				}
				config.CurvePreferences = append(config.CurvePreferences, tls.CurveID(id))
			}
		case "alpn":
			config.NextProtos = strings.Split(value, ",")
		case "sni":
			config.ServerName = value
		default:
			return fmt.Errorf("unknown option %s", name)
		}
	}
	return nil
}

func exitOn(err error) {
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}
