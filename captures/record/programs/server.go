// Server answers GET requests over TLS by net/http.
//
// Usage: server PORT CHAIN KEY VERSION [NAME=VALUE ...], with chain and key as PEM files and the one version
// of TLS as in "1.2". The names:
//
//	verify=require    refuse a client without a certificate that leads to one of ca
//	verify=given      ask for a certificate, and check it if there is one
//	ca=FILE           PEM bundle of the CAs of clients
//	suites=ID,...     the cipher suites of TLS 1.2, as hexadecimal numbers
//	curves=ID,...     the groups, as decimal numbers
//	alpn=NAME,...     the application protocols
//	sni=HOST          refuse clients that ask for another name, or for none
//	pause=MS          wait after the ClientHello before anything is answered
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log"
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
	arguments := os.Args[1:]
	pair, err := tls.LoadX509KeyPair(arguments[1], arguments[2])
	exitOn(err)
	config := &tls.Config{
		Certificates: []tls.Certificate{pair},
		MinVersion:   versions[arguments[3]],
		MaxVersion:   versions[arguments[3]],
		NextProtos:   []string{"http/1.1"},
	}
	for _, argument := range arguments[4:] {
		name, value, _ := strings.Cut(argument, "=")
		exitOn(apply(config, name, value))
	}
	listener, err := tls.Listen("tcp", ":"+arguments[0], config)
	exitOn(err)
	page := func(answer http.ResponseWriter, _ *http.Request) { fmt.Fprintln(answer, "hello") }
	server := &http.Server{Handler: http.HandlerFunc(page), TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}}
	log.Fatal(server.Serve(listener))
}

func apply(config *tls.Config, name, value string) error {
	switch name {
	case "verify":
		kinds := map[string]tls.ClientAuthType{
			"require": tls.RequireAndVerifyClientCert, "given": tls.VerifyClientCertIfGiven,
		}
		config.ClientAuth = kinds[value]
	case "ca":
		pem, err := os.ReadFile(value)
		if err != nil {
			return err
		}
		config.ClientCAs = x509.NewCertPool()
		config.ClientCAs.AppendCertsFromPEM(pem)
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
		config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			if hello.ServerName != value {
				return nil, fmt.Errorf("no such host: %q", hello.ServerName)
			}
			return nil, nil
		}
	case "pause":
		length, err := strconv.Atoi(value)
		if err != nil {
			return err
		}
		config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
			time.Sleep(time.Duration(length) * time.Millisecond)
			return nil, nil
		}
	default:
		return fmt.Errorf("unknown option %s", name)
	}
	return nil
}

func exitOn(err error) {
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}
