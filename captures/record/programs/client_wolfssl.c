/* GETs a page by wolfSSL. Arguments: host, port, PEM bundle of trust anchors, timeout in seconds. */
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

static int fail(WOLFSSL *ssl, int result, const char *where) {
    char text[160];
    int error = wolfSSL_get_error(ssl, result);
    printf("error: %s: %d %s\n", where, error, wolfSSL_ERR_error_string((unsigned long)error, text));
    return 1;
}

int main(int count, char **arguments) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    char buffer[65536];
    int size = 0, status = 1;
    if (count < 5 || getaddrinfo(arguments[1], arguments[2], &hints, &found)) return 2;
    int plain = socket(found->ai_family, SOCK_STREAM, 0);
    struct timeval patience = {.tv_sec = atoi(arguments[4])};
    setsockopt(plain, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(plain, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(plain, found->ai_addr, found->ai_addrlen)) {
        perror("error: connect");
        return 1;
    }
    wolfSSL_Init();
    WOLFSSL_CTX *context = wolfSSL_CTX_new(wolfSSLv23_client_method());
    wolfSSL_CTX_set_verify(context, WOLFSSL_VERIFY_PEER, NULL);
    wolfSSL_CTX_load_verify_locations(context, arguments[3], NULL);
    WOLFSSL *ssl = wolfSSL_new(context);
    wolfSSL_UseSNI(ssl, WOLFSSL_SNI_HOST_NAME, arguments[1], (unsigned short)strlen(arguments[1]));
    wolfSSL_check_domain_name(ssl, arguments[1]);
    wolfSSL_set_fd(ssl, plain);
    int result = wolfSSL_connect(ssl);
    if (result != WOLFSSL_SUCCESS) {
        fail(ssl, result, "connect");
    } else {
        int length = snprintf(buffer, sizeof buffer, "GET / HTTP/1.0\r\nHost: %s\r\n\r\n", arguments[1]);
        wolfSSL_write(ssl, buffer, length);
        while ((result = wolfSSL_read(ssl, buffer, sizeof buffer)) > 0) size += result;
        status = size ? 0 : fail(ssl, result, "read");
        wolfSSL_shutdown(ssl);
    }
    close(plain);
    printf("%d bytes\n", size);
    return status;
}
