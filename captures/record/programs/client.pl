# GETs a page by IO::Socket::SSL. Arguments: host, port, PEM bundle of trust anchors, timeout in seconds.
use strict;
use warnings;
use IO::Socket::SSL;

my ($host, $port, $bundle, $timeout) = @ARGV;
my $socket = IO::Socket::SSL->new(
    PeerHost => $host, PeerPort => $port, Timeout => $timeout,
    SSL_ca_file => $bundle, SSL_verify_mode => SSL_VERIFY_PEER,
    SSL_hostname => $host =~ /^[\d.]+$/ ? '' : $host, SSL_verifycn_scheme => 'http', SSL_verifycn_name => $host,
);
if (!$socket) {
    print "error: $! $SSL_ERROR\n";
    exit 1;
}
print $socket "GET / HTTP/1.0\r\nHost: $host\r\n\r\n";
my $answer = join '', <$socket>;
printf "%d bytes\n", length $answer;
exit(length($answer) ? 0 : 1);
