/* GETs a page by Mbed TLS. Arguments: host, port, PEM bundle of trust anchors, timeout in seconds. */
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(mbedtls_ssl_context *ssl, int result, const char *where) {
    char text[200], reasons[400] = "";
    mbedtls_strerror(result, text, sizeof text);
    uint32_t flags = mbedtls_ssl_get_verify_result(ssl);
    if (flags && flags != 0xFFFFFFFF) mbedtls_x509_crt_verify_info(reasons, sizeof reasons, "; ", flags);
    for (char *each = reasons; *each; each++)
        if (*each == '\n') *each = ' ';
    printf("error: %s: -0x%04x %s%s\n", where, (unsigned)-result, text, reasons);
    return 1;
}

int main(int count, char **arguments) {
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context random;
    mbedtls_ssl_config config;
    mbedtls_ssl_context ssl;
    mbedtls_x509_crt anchors;
    mbedtls_net_context plain;
    unsigned char buffer[65536];
    int size = 0, status = 1, result;
    if (count < 5) return 2;
    mbedtls_entropy_init(&entropy);
    mbedtls_ctr_drbg_init(&random);
    mbedtls_ctr_drbg_seed(&random, mbedtls_entropy_func, &entropy, NULL, 0);
    mbedtls_ssl_config_init(&config);
    mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
    mbedtls_ssl_conf_rng(&config, mbedtls_ctr_drbg_random, &random);
    mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_read_timeout(&config, (uint32_t)atoi(arguments[4]) * 1000);
    mbedtls_x509_crt_init(&anchors);
    mbedtls_x509_crt_parse_file(&anchors, arguments[3]);
    mbedtls_ssl_conf_ca_chain(&config, &anchors, NULL);
    mbedtls_ssl_init(&ssl);
    mbedtls_ssl_setup(&ssl, &config);
    mbedtls_ssl_set_hostname(&ssl, arguments[1]);
    mbedtls_net_init(&plain);
    if ((result = mbedtls_net_connect(&plain, arguments[1], arguments[2], MBEDTLS_NET_PROTO_TCP)))
        return fail(&ssl, result, "connect");
    mbedtls_ssl_set_bio(&ssl, &plain, mbedtls_net_send, mbedtls_net_recv, mbedtls_net_recv_timeout);
    if ((result = mbedtls_ssl_handshake(&ssl))) {
        fail(&ssl, result, "handshake");
    } else {
        int length = snprintf((char *)buffer, sizeof buffer, "GET / HTTP/1.0\r\nHost: %s\r\n\r\n", arguments[1]);
        mbedtls_ssl_write(&ssl, buffer, (size_t)length);
        while ((result = mbedtls_ssl_read(&ssl, buffer, sizeof buffer)) > 0) size += result;
        status = size ? 0 : fail(&ssl, result, "read");
        mbedtls_ssl_close_notify(&ssl);
    }
    mbedtls_net_free(&plain);
    printf("%d bytes\n", size);
    return status;
}
