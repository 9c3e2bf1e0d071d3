// Reads one case a line from standard input: seconds since 1970, host or "-", chain, store; chain and store are Base64
// certificates joined by commas. Answers one line each: "ok", or the text of the error.
package main

import (
	"bufio"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 1<<26)
	for in.Scan() {
		part := strings.Split(in.Text(), " ")
		if err := verify(part[0], part[1], part[2], part[3]); err != nil {
			fmt.Println(strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Println("ok")
		}
	}
}

func verify(seconds, host, chain, store string) error {
	moment, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return err
	}
	var sent []*x509.Certificate
	for _, text := range strings.Split(chain, ",") {
		certificate, err := parse(text)
		if err != nil {
			return err // crypto/tls refuses a chain with a certificate that it cannot read
		}
		sent = append(sent, certificate)
	}
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	for _, text := range strings.Split(store, ",") {
		if certificate, err := parse(text); err == nil {
			roots.AddCert(certificate)
		}
	}
	for _, certificate := range sent[1:] {
		intermediates.AddCert(certificate)
	}
	options := x509.VerifyOptions{Roots: roots, Intermediates: intermediates, CurrentTime: time.Unix(moment, 0)}
	if host != "-" {
		options.DNSName = host
	}
	_, err = sent[0].Verify(options)
	return err
}

func parse(text string) (*x509.Certificate, error) {
	der, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}
