# GETs a page by Ruby's Net::HTTP. Arguments: host, port, PEM bundle of trust anchors, timeout in seconds.
require 'net/http'
require 'openssl'

host, port, bundle, timeout = ARGV
http = Net::HTTP.new(host, port.to_i, nil)
http.use_ssl = true
http.ca_file = bundle
http.verify_mode = OpenSSL::SSL::VERIFY_PEER
http.open_timeout = http.read_timeout = http.ssl_timeout = timeout.to_f
http.max_retries = 0
begin
  answer = http.get('/')
  puts "status #{answer.code}, #{answer.body.to_s.length} bytes"
rescue StandardError => error
  puts "error: #{error.class}: #{error.message}"
  exit 1
end
