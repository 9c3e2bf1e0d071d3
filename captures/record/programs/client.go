// Client GETs a page by net/http.
//
// Usage: client URL BUNDLE TIMEOUT, with the trust anchors as a PEM bundle and the timeout as in "3s".
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

func main() {
	pem, err := os.ReadFile(os.Args[2])
	exitOn(err)
	timeout, err := time.ParseDuration(os.Args[3])
	exitOn(err)
	anchors := x509.NewCertPool()
	if !anchors.AppendCertsFromPEM(pem) {
		exitOn(fmt.Errorf("no certificate in %s", os.Args[2]))
	}
	client := &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			TLSClientConfig:   &tls.Config{RootCAs: anchors},
			DisableKeepAlives: true,
		},
	}
	response, err := client.Get(os.Args[1])
	exitOn(err)
	body, err := io.ReadAll(response.Body)
	exitOn(err)
	fmt.Printf("%s, %d bytes\n", response.Status, len(body))
}

func exitOn(err error) {
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}
