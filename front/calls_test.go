package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"math/big"
	"reflect"
	"testing"
)

// certificateOf returns a certificate of some common names and some alternative ones, each with its ASN.1 tag.
func certificateOf(t *testing.T, common []string, others []asn1.RawValue) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	for _, name := range common {
		named := pkix.AttributeTypeAndValue{Type: commonName, Value: name}
		template.Subject.ExtraNames = append(template.Subject.ExtraNames, named)
	}
	if others != nil {
		content, err := asn1.Marshal(others)
		if err != nil {
			t.Fatal(err)
		}
		template.ExtraExtensions = []pkix.Extension{{Id: alternativeNames, Value: content}}
	}
	made, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	read, err := x509.ParseCertificate(made)
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func TestTheCommonNameCountsAloneAndWithoutOthers(t *testing.T) {
	named := func(tag int, content string) []asn1.RawValue {
		isCompound := tag == 4
		return []asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: tag, IsCompound: isCompound, Bytes: []byte(content)}}
	}
	alternative, common := "x509_subject_alternative_name", "x509_common_name"
	hexed := func(name string) []string { return []string{hex.EncodeToString([]byte(name))} }
	for what, each := range map[string]struct {
		common []string
		others []asn1.RawValue
		found  map[string][]string
	}{
		"one common name":       {[]string{"agent"}, nil, map[string][]string{common: hexed("agent")}},
		"two common names":      {[]string{"agent", "other"}, nil, map[string][]string{}},
		"no name":               {nil, nil, map[string][]string{}},
		"a DNS name":            {[]string{"agent"}, named(2, "bot"), map[string][]string{alternative: hexed("bot")}},
		"a registered ID":       {[]string{"agent"}, named(8, "\x2a\x03"), map[string][]string{}},
		"a name of a directory": {[]string{"agent"}, named(4, "\x30\x00"), map[string][]string{}},
	} {
		if found := namesOf(certificateOf(t, each.common, each.others)); !reflect.DeepEqual(found, each.found) {
			t.Errorf("%s: %v, not %v", what, found, each.found)
		}
	}
}
