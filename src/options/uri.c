/*
 * uri.c
 *	  What the `uri` option may say: a connection string without credentials and without file names.
 *
 * Scheme, hosts and options are checked against closed lists.  A database in the path is refused: the
 * driver would take it as the database to authenticate against, and ours is the option `database`.
 *
 * What must not happen here: any part of the string in a message, except the name of an option that
 * is on one of the lists below.
 */
#include "options/uri.h"

#include <ctype.h>

typedef enum UriValue
{
	URI_BOOLEAN,
	URI_NUMBER,
	URI_WORD,
	URI_TAGS,
	URI_WRITE_CONCERN /* a word or a number, but not 0: unacknowledged writes hide their errors */
} UriValue;

/* In which case an option weakens TLS, and so is for superusers only. */
typedef enum UriWeak
{
	URI_HARMLESS,
	URI_WEAK_IF_TRUE,
	URI_WEAK_IF_FALSE
} UriWeak;

typedef struct UriOption
{
	const char *name;
	UriValue value;
	UriWeak weak;
} UriOption;

/* Names compare without regard to case, as the connection string specification says. */
static const UriOption allowed[] = {
	{"appName", URI_WORD, URI_HARMLESS},
	{"compressors", URI_WORD, URI_HARMLESS},
	{"connectTimeoutMS", URI_NUMBER, URI_HARMLESS},
	{"directConnection", URI_BOOLEAN, URI_HARMLESS},
	{"heartbeatFrequencyMS", URI_NUMBER, URI_HARMLESS},
	{"journal", URI_BOOLEAN, URI_HARMLESS},
	{"loadBalanced", URI_BOOLEAN, URI_HARMLESS},
	{"localThresholdMS", URI_NUMBER, URI_HARMLESS},
	{"maxStalenessSeconds", URI_NUMBER, URI_HARMLESS},
	{"readConcernLevel", URI_WORD, URI_HARMLESS},
	{"readPreference", URI_WORD, URI_HARMLESS},
	{"readPreferenceTags", URI_TAGS, URI_HARMLESS},
	{"replicaSet", URI_WORD, URI_HARMLESS},
	{"retryReads", URI_BOOLEAN, URI_HARMLESS},
	{"retryWrites", URI_BOOLEAN, URI_HARMLESS},
	{"serverSelectionTimeoutMS", URI_NUMBER, URI_HARMLESS},
	{"serverSelectionTryOnce", URI_BOOLEAN, URI_HARMLESS},
	{"socketCheckIntervalMS", URI_NUMBER, URI_HARMLESS},
	{"socketTimeoutMS", URI_NUMBER, URI_HARMLESS},
	{"srvMaxHosts", URI_NUMBER, URI_HARMLESS},
	{"srvServiceName", URI_WORD, URI_HARMLESS},
	{"ssl", URI_BOOLEAN, URI_WEAK_IF_FALSE},
	{"tls", URI_BOOLEAN, URI_WEAK_IF_FALSE},
	{"tlsAllowInvalidCertificates", URI_BOOLEAN, URI_WEAK_IF_TRUE},
	{"tlsAllowInvalidHostnames", URI_BOOLEAN, URI_WEAK_IF_TRUE},
	{"tlsDisableCertificateRevocationCheck", URI_BOOLEAN, URI_WEAK_IF_TRUE},
	{"tlsDisableOCSPEndpointCheck", URI_BOOLEAN, URI_HARMLESS},
	{"tlsInsecure", URI_BOOLEAN, URI_WEAK_IF_TRUE},
	{"w", URI_WRITE_CONCERN, URI_HARMLESS},
	{"wTimeoutMS", URI_NUMBER, URI_HARMLESS},
	{"zlibCompressionLevel", URI_NUMBER, URI_HARMLESS},
};

/* Known options with their own place; the message says where. */
static const struct
{
	const char *name;
	const char *why;
} elsewhere[] = {
	{"username", "credentials belong in the options of a user mapping"},
	{"password", "credentials belong in the options of a user mapping"},
	{"authSource", "authentication belongs in the options of a user mapping (auth_source)"},
	{"authMechanism", "authentication belongs in the options of a user mapping (auth_mechanism)"},
	{"authMechanismProperties", "authentication belongs in the options of a user mapping"},
	{"gssapiServiceName", "authentication belongs in the options of a user mapping"},
	{"tlsCertificateKeyFile",
	 "files belong in the option tls_certificate_key_file of a user mapping"},
	{"tlsCertificateKeyFilePassword", "a key with a passphrase is not supported"},
	{"tlsCAFile", "files belong in the option tls_ca_file of the server"},
	{"tlsCRLFile", "files are not allowed in a connection string"},
	{"sslClientCertificateKeyFile", "files belong in the options of a user mapping"},
	{"sslCertificateAuthorityFile", "files belong in the option tls_ca_file of the server"},
};

static const char *const credentials_why = "credentials belong in the options of a user mapping";

typedef struct UriParser
{
	const char *at;
	uint64 seen; /* bit per entry of `allowed` */
	MtfUri *uri;
	const char *why;
} UriParser;

static bool
fail(UriParser *parser, const char *why)
{
	parser->why = why;
	return false;
}

/* Length of the run of characters before any of `stop` or the end. */
static size_t
run_length(const char *at, const char *stop)
{
	return strcspn(at, stop);
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = pg_tolower((unsigned char) c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decode len bytes into a palloc'd string; NULL for a bad escape or a control character. */
static char *
decode_percent(const char *at, size_t len)
{
	char *result = palloc(len + 1);
	char *out = result;

	for (size_t i = 0; i < len; i++)
	{
		unsigned char c = at[i];

		if (c == '%')
		{
			if (i + 2 >= len || hex_digit(at[i + 1]) < 0 || hex_digit(at[i + 2]) < 0)
				return NULL;
			c = hex_digit(at[i + 1]) * 16 + hex_digit(at[i + 2]);
			i += 2;
		}
		if (c < ' ' || c == 0x7f)
			return NULL;
		*out++ = c;
	}
	*out = '\0';
	return result;
}

static bool
is_number(const char *text, int64 max)
{
	int64 value = 0;

	if (*text == '\0' || strlen(text) > 10)
		return false;
	for (; *text; text++)
	{
		if (*text < '0' || *text > '9')
			return false;
		value = value * 10 + (*text - '0');
	}
	return value <= max;
}

static bool
is_loopback_name(const char *host)
{
	return pg_strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
		   (strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == strlen(host));
}

static bool
parse_port(UriParser *parser, const char *port)
{
	if (parser->uri->is_srv)
		return fail(parser, "a mongodb+srv:// address has no port");
	if (!is_number(port, 65535) || strspn(port, "0") == strlen(port))
		return fail(parser, "a port must be a number from 1 to 65535");
	return true;
}

/* A Unix socket: percent-encoded path that ends in .sock, as drivers want it. */
static bool
parse_socket(UriParser *parser, const char *path)
{
	size_t len = strlen(path);

	if (parser->uri->is_srv)
		return fail(parser, "a mongodb+srv:// address names one host in the DNS");
	if (len < 6 || strcmp(path + len - 5, ".sock") != 0)
		return fail(parser, "a Unix socket must be a percent-encoded path that ends in .sock");
	return true;
}

/* The address between [ and ]; afterwards only a port may follow. */
static bool
parse_ipv6(UriParser *parser, char *host)
{
	char *close = strchr(host, ']');

	if (close == NULL || close == host + 1 ||
		strspn(host + 1, "0123456789abcdefABCDEF:.") != (size_t) (close - host - 1))
		return fail(parser, "malformed IPv6 address");
	if (close[1] == ':')
	{
		if (!parse_port(parser, close + 2))
			return false;
	}
	else if (close[1] != '\0')
		return fail(parser, "malformed IPv6 address");
	close[1] = '\0';
	return true;
}

static bool
parse_name(UriParser *parser, char *host)
{
	char *colon = strchr(host, ':');

	if (colon != NULL)
	{
		if (!parse_port(parser, colon + 1))
			return false;
		*colon = '\0';
	}
	if (*host == '\0')
		return fail(parser, "a host is missing");
	for (const char *c = host; *c; c++)
		if (!isalnum((unsigned char) *c) && strchr("-_.", *c) == NULL)
			return fail(parser, "a host has a character that no host name can have");
	return true;
}

static bool
parse_host(UriParser *parser, const char *at, size_t len)
{
	char *host;

	if (memchr(at, '%', len) != NULL)
	{
		host = decode_percent(at, len);
		if (host == NULL || host[0] != '/')
			return fail(parser, "malformed percent-encoding in a host");
		return parse_socket(parser, host);
	}
	host = pnstrdup(at, len);
	if (host[0] == '[' ? !parse_ipv6(parser, host) : !parse_name(parser, host))
		return false;
	if (!is_loopback_name(host))
		parser->uri->is_local = false;
	return true;
}

static bool
parse_hosts(UriParser *parser)
{
	for (int n = 1;; n++)
	{
		size_t len = run_length(parser->at, ",/?");

		if (!parse_host(parser, parser->at, len))
			return false;
		parser->at += len;
		if (*parser->at != ',')
			return true;
		if (parser->uri->is_srv)
			return fail(parser, "a mongodb+srv:// address names one host in the DNS");
		if (n >= 100)
			return fail(parser, "too many hosts");
		parser->at++;
	}
}

static bool
parse_value(UriParser *parser, const UriOption *option, const char *value)
{
	bool is_true = strcmp(value, "true") == 0;
	bool weak;

	switch (option->value)
	{
		case URI_BOOLEAN:
			if (!is_true && strcmp(value, "false") != 0)
				return fail(parser, psprintf("%s must be true or false", option->name));
			break;
		case URI_NUMBER:
			if (!is_number(value, PG_INT32_MAX))
				return fail(parser, psprintf("%s must be a number", option->name));
			break;
		case URI_WRITE_CONCERN:
			if (is_number(value, PG_INT32_MAX) && strspn(value, "0") == strlen(value))
				return fail(parser, "w=0 is not supported: writes must be acknowledged");
			/* FALLTHROUGH */
		case URI_WORD:
			if (value[0] == '\0')
				return fail(parser, psprintf("%s must not be empty", option->name));
			break;
		case URI_TAGS: /* may be empty: "any member" */ break;
	}
	if (pg_strcasecmp(option->name, "tls") == 0 || pg_strcasecmp(option->name, "ssl") == 0)
	{
		if (parser->uri->tls_given && parser->uri->tls != is_true)
			return fail(parser, "tls and ssl contradict each other");
		parser->uri->tls_given = true;
		parser->uri->tls = is_true;
	}
	weak =
		option->weak == URI_WEAK_IF_TRUE ? is_true : option->weak == URI_WEAK_IF_FALSE && !is_true;
	/* Between processes of one machine there is no wire to protect. */
	if (weak && option->weak == URI_WEAK_IF_FALSE && parser->uri->is_local)
		weak = false;
	if (weak && parser->uri->weak_option == NULL)
		parser->uri->weak_option = option->name;
	return true;
}

/* One name=value, by its ends. */
static bool
parse_option(UriParser *parser, const char *name, size_t name_len, const char *value,
			 size_t value_len)
{
	char *key = pnstrdup(name, name_len);
	char *text = decode_percent(value, value_len);

	for (size_t i = 0; i < lengthof(elsewhere); i++)
		if (pg_strcasecmp(key, elsewhere[i].name) == 0)
			return fail(parser, elsewhere[i].why);
	for (size_t i = 0; i < lengthof(allowed); i++)
	{
		if (pg_strcasecmp(key, allowed[i].name) != 0)
			continue;
		if ((parser->seen & (UINT64CONST(1) << i)) != 0 && allowed[i].value != URI_TAGS)
			return fail(parser, psprintf("%s is given twice", allowed[i].name));
		parser->seen |= UINT64CONST(1) << i;
		if (text == NULL)
			return fail(parser,
						psprintf("malformed percent-encoding in the value of %s", allowed[i].name));
		return parse_value(parser, &allowed[i], text);
	}
	return fail(parser, "an option of the connection string is not one of those supported");
}

static bool
parse_options(UriParser *parser)
{
	while (*parser->at != '\0')
	{
		size_t len = run_length(parser->at, "&;");
		size_t name_len = run_length(parser->at, "=&;");

		if (name_len == len || name_len == 0)
			return fail(parser, "an option of the connection string has no name or no value");
		if (!parse_option(parser, parser->at, name_len, parser->at + name_len + 1,
						  len - name_len - 1))
			return false;
		parser->at += len;
		if (*parser->at != '\0')
			parser->at++;
	}
	return true;
}

static bool
parse_scheme(UriParser *parser)
{
	if (strncmp(parser->at, "mongodb+srv://", 14) == 0)
	{
		parser->uri->is_srv = true;
		parser->uri->is_local = false;
		parser->at += 14;
	}
	else if (strncmp(parser->at, "mongodb://", 10) == 0)
		parser->at += 10;
	else
		return fail(parser, "it must begin with mongodb:// or mongodb+srv://");
	return true;
}

static bool
parse_all(UriParser *parser)
{
	/* Before anything else: a password with an unescaped / or ? must not end in another message. */
	if (strchr(parser->at, '@') != NULL)
		return fail(parser, credentials_why);
	for (const char *c = parser->at; *c; c++)
		if ((unsigned char) *c <= ' ' || (unsigned char) *c >= 0x7f)
			return fail(parser,
						"it has a blank, a control character or a letter that is not ASCII");
	if (!parse_scheme(parser) || !parse_hosts(parser))
		return false;
	if (*parser->at == '/')
		parser->at++;
	if (*parser->at != '\0' && *parser->at != '?')
		return fail(parser, "the database belongs in the option database");
	if (*parser->at == '?')
		parser->at++;
	return parse_options(parser);
}

bool
mtf_uri_parse(const char *uri, MtfUri *parsed, const char **why)
{
	UriParser parser = {.at = uri, .uri = parsed};

	StaticAssertStmt(lengthof(allowed) <= 64, "one bit per allowed option");
	memset(parsed, 0, sizeof(*parsed));
	parsed->is_local = true;
	if (parse_all(&parser))
		return true;
	*why = parser.why;
	return false;
}
