/*
 * tls.c
 *	  What our sockets need of OpenSSL: contexts with verification on, and reasons in words.
 *
 * Verification is on unless the owner, a superuser, said otherwise.  No OCSP responder and no CRL
 * distribution point is ever contacted: their addresses come from the peer.
 *
 * What must not happen here: a path or key material in a message.
 */
#include "remote/tls.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

static void raise_unusable(SSL_CTX *context, const char *what) pg_attribute_noreturn();

static void
raise_unusable(SSL_CTX *context, const char *what)
{
	char reason[128];

	strlcpy(reason, mtf_tls_reason(NULL), sizeof(reason));
	if (context != NULL)
		SSL_CTX_free(context);
	ereport(ERROR, (errcode(ERRCODE_CONFIG_FILE_ERROR), errmsg("could not use %s", what),
					errdetail_internal("%s", reason)));
}

static void
load_files(SSL_CTX *context, const MtfTlsFiles *files)
{
	const char *key = files->certificate_key_file;

	if (files->ca_file != NULL ? SSL_CTX_load_verify_locations(context, files->ca_file, NULL) != 1
							   : SSL_CTX_set_default_verify_paths(context) != 1)
		raise_unusable(context, "the certificates of the option \"tls_ca_file\"");
	if (key != NULL && (SSL_CTX_use_certificate_chain_file(context, key) != 1 ||
						SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1 ||
						SSL_CTX_check_private_key(context) != 1))
		raise_unusable(context, "the file of the option \"tls_certificate_key_file\"");
}

struct ssl_ctx_st *
mtf_tls_context_create(const MtfTlsFiles *files, bool any_certificate)
{
	SSL_CTX *context;

	ERR_clear_error();
	context = SSL_CTX_new(TLS_client_method());
	if (context == NULL)
		raise_unusable(NULL, "OpenSSL");
	SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_verify(context, any_certificate ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
	load_files(context, files);
	return context;
}

void
mtf_tls_context_destroy(void *context)
{
	SSL_CTX_free((SSL_CTX *) context);
}

char *
mtf_tls_subject(const char *certificate_key_file)
{
	BIO *file = BIO_new_file(certificate_key_file, "r");
	BIO *text = BIO_new(BIO_s_mem());
	X509 *certificate = file != NULL ? PEM_read_bio_X509(file, NULL, NULL, NULL) : NULL;
	char buffer[1024];
	int len = -1;

	/* Copied to the stack first: palloc may raise, and OpenSSL's objects must be freed before. */
	if (certificate != NULL && text != NULL &&
		X509_NAME_print_ex(text, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) >= 0)
		len = BIO_read(text, buffer, sizeof(buffer) - 1);
	X509_free(certificate);
	BIO_free(text);
	BIO_free(file);
	if (len <= 0)
		raise_unusable(NULL, "the file of the option \"tls_certificate_key_file\"");
	return pnstrdup(buffer, len);
}

struct ssl_st *
mtf_tls_create(struct ssl_ctx_st *context, const char *host, bool check_name)
{
	SSL *ssl = SSL_new(context);
	unsigned char address[16];
	bool is_address;
	bool ok = true;

	if (ssl == NULL)
		return NULL;
	is_address = inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
	if (!is_address && host[0] != '/')
		ok = SSL_set_tlsext_host_name(ssl, host) == 1;
	if (ok && check_name && is_address)
		ok = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
	else if (ok && check_name)
	{
		SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
		ok = SSL_set1_host(ssl, host) == 1;
	}
	if (ok)
		return ssl;
	SSL_free(ssl);
	return NULL;
}

const char *
mtf_tls_reason(struct ssl_st *ssl)
{
	unsigned long error = ERR_get_error();
	const char *reason;
	long verify = ssl != NULL ? SSL_get_verify_result(ssl) : X509_V_OK;

	if (verify != X509_V_OK)
		reason = X509_verify_cert_error_string(verify);
	else if (error != 0)
		reason = ERR_reason_error_string(error);
	else
		reason = "out of memory";
	ERR_clear_error();
	return reason != NULL ? reason : "unknown reason";
}
