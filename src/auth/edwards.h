/*
 * edwards.h
 *	  Is an EdDSA public key a point that a signature can be trusted under?
 *
 * OpenSSL takes any 32 bytes as an Ed25519 key.  Under a key of small order one signature fits a
 * large part of all messages, under the neutral element every message: whoever registers such a key
 * lets everybody sign.
 */
#ifndef MTF_EDWARDS_H
#define MTF_EDWARDS_H

#include "base/compat.h"

/*
 * True for the canonical encoding of a point on the curve (RFC 8032; 32 bytes, or 57 for Ed448)
 * whose order is not one of 1, 2, 4, 8.  Never raises; false when memory is short.
 */
extern bool mtf_edwards_point_valid(bool ed448, const unsigned char *encoded);

#endif /* MTF_EDWARDS_H */
