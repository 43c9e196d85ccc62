/*
 * Keys and tokens of an independent library (PyJWT), for the tests of jwks and
 * jwt. The private keys are gone; nothing but these tests takes them.
 */
#ifndef SLUICE_JWT_FIXTURE_H
#define SLUICE_JWT_FIXTURE_H

#define JWT_OCT \
	"{\"kty\":\"oct\",\"kid\":\"secret\",\"k\":\"YSBzZWNyZXQgb2YgdGhpcn" \
	"R5LXR3byBieXRlcy4uLi4h\"}"
#define JWT_OCT_2 \
	"{\"kty\":\"oct\",\"kid\":\"second\",\"alg\":\"HS256\",\"k\":\"YW5v" \
	"dGhlciBvbmUgb2YgdGhpcnR5LXR3byBieXRlcy4h\"}"
#define JWT_RSA \
	"{\"kty\":\"RSA\",\"n\":\"zoF8qQTef0TF50wodRnmhTE9_HY3vg0OgXtnJktfR" \
	"5bxjL828IwfVZFpYWLIMwL1-wVB6-K4ySpICUQqG1r2iOF41EHsDzNlhUZCoqYZgx3" \
	"yWpUhOdZgNb325NexE--HooYmQ2MdSsg7rHombs9MhjN2dlVufmD7uZjAl02YS_Alj" \
	"_g-B4C6qCJojNTul0-sZ42dFqh-gSbTfhtZNahd2UyNHow00m0dt_VYP6hRwKYnEng" \
	"ywanlMKkvL0wowrSNtaGSyZottcWEP4HqVd386B1Ol2tFWVv671h9Oo-fVfF7Ht-bH" \
	"lcpCkwJ69VkzLbLCyhanceiX6JBz4J7hPnScw\",\"e\":\"AQAB\",\"kid\":\"r" \
	"sa\",\"use\":\"sig\",\"alg\":\"RS256\"}"
#define JWT_EC \
	"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"KQQsH9Y0-T-s5FFPj_dUvnRG" \
	"T1lVNfubgqqCJ50H44g\",\"y\":\"qegcti5-_4WgKguWuSf2xP12En51wpVpPSC-" \
	"0lNrW0U\",\"kid\":\"ec\"}"
#define JWT_RSA_1024 \
	"mYV7qSk_bFJ1AzzHBzHpFKqc6WoO8g3zxkmzpMFhVHJxIDjPN5TDAyo0t_lG43Ivw2" \
	"sQfzqP2MwWtFCmo4v36fWndiqJl3BfXpOw0jelsAzYBKsC0npEdwvlJ5Q1VcvhLp6L" \
	"4TfQ5H_QaqTt7gpWbEPaV1QFZLqZW2HjkuNZr98"
#define JWT_TOKEN_HS256 \
	"eyJhbGciOiJIUzI1NiIsImtpZCI6InNlY3JldCIsInR5cCI6IkpXVCJ9.eyJzdWIiO" \
	"iJtZSIsImF1ZCI6InNsdWljZSIsImV4cCI6NDEwMjQ0NDgwMH0.7uApspzByuQGprd" \
	"vb76371Pyqi7VD2a2rn5RyKpGGo4"
#define JWT_TOKEN_RS256 \
	"eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYSIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJtZ" \
	"SIsImF1ZCI6InNsdWljZSIsImV4cCI6NDEwMjQ0NDgwMH0.DVcdtVp4MRqJaxcWpFU" \
	"wudpZAoA2tIxQSM8NzCVBhz223ltAhffylnRyWNIC8YfhfimhjnKApZa8XbHghbzKU" \
	"eGAzGWMcG4Rin2ZWp3ouZwUXqNwTCAe3DjMT8CIWcUU7uxStLekU4BGho2gQQIhxXX" \
	"_25yJhRezqPOhPsXCiHUA5NmKEnZONCcSka6ZeeU2oAJu4cfhinOQk1z5j8V0zKXak" \
	"wzv7i-iqo6JJm8oEYO4O3ZDPqd9Nr_xQlFRi4k9Q1Q-cPugOEVXetoU-cAfnpbyT3x" \
	"Dll7gFn5hxcR0Bi1V4-wdueTk4e4eR5sEJ33xnAdVGJYsnQNHUnQC0-MvPA"
#define JWT_TOKEN_ES256 \
	"eyJhbGciOiJFUzI1NiIsImtpZCI6ImVjIiwidHlwIjoiSldUIn0.eyJzdWIiOiJtZS" \
	"IsImF1ZCI6InNsdWljZSIsImV4cCI6NDEwMjQ0NDgwMH0.qQmj018EN1IL8EG0Bjv9" \
	"qcceByjEcbVt4Cq0IeqV-TG4kDXCmd4KE1uUc22zRoqRFQ8dH5BYCM8QmlOCgD2VNA"
#define JWT_TOKEN_SWAPPED \
	"eyJhbGciOiJIUzI1NiIsImtpZCI6InJzYSJ9.eyJzdWIiOiAibWUiLCAiYXVkIjogI" \
	"nNsdWljZSIsICJleHAiOiA0MTAyNDQ0ODAwfQ.oyQX48PpmUl2Pn9A2-wmsipduLnQ" \
	"p-anJBgbyfZKQ_g"
#define JWT_TOKEN_NONE \
	"eyJhbGciOiJub25lIn0.eyJzdWIiOiAibWUiLCAiYXVkIjogInNsdWljZSIsICJleH" \
	"AiOiA0MTAyNDQ0ODAwfQ.eA"
#define JWT_TOKEN_CRIT \
	"eyJhbGciOiJIUzI1NiIsImtpZCI6InNlY3JldCIsImNyaXQiOlsiZXhwIl19.eyJzd" \
	"WIiOiAibWUiLCAiYXVkIjogInNsdWljZSIsICJleHAiOiA0MTAyNDQ0ODAwfQ.ZP8l" \
	"h5YwbqJDSFChIfnBbVZl7KR5wiayQ6IAvp6lZ6E"
#define JWT_TOKEN_TWICE \
	"eyJhbGciOiJIUzI1NiIsImtpZCI6InNlY3JldCJ9.eyJleHAiOjEsImV4cCI6NDEwM" \
	"jQ0NDgwMH0.bJq6gouQCJXVsfZiFgLySXm5aVaspsK0kVCpSi-9zvQ"
#define JWT_TOKEN_HEAD_TWICE \
	"eyJhbGciOiJub25lIiwiYWxnIjoiSFMyNTYiLCJraWQiOiJzZWNyZXQifQ.eyJzdWI" \
	"iOiAibWUiLCAiYXVkIjogInNsdWljZSIsICJleHAiOiA0MTAyNDQ0ODAwfQ.nGht0O" \
	"1d6VBZxdqqt7FodL-wT8urkJEnBRJxmgd96qk"
#define JWT_TOKEN_LIST \
	"eyJhbGciOiJIUzI1NiIsImtpZCI6InNlY3JldCJ9.WzFd.4jk2Eci22wz4gVwdS_qm" \
	"6u3kLPuJnrn2otbOL0I0QyI"
#define JWT_TOKEN_PATH \
	"eyJhbGciOiJIUzI1NiIsImtpZCI6Ii4uLy4uL2Rldi9udWxsIn0.eyJzdWIiOiAibW" \
	"UiLCAiYXVkIjogInNsdWljZSIsICJleHAiOiA0MTAyNDQ0ODAwfQ.ReN5dKO8JxWhP" \
	"zWkOtDn6AEbsWTP6dwBFHkJVxw4P60"
#define JWT_TOKEN_HS384 \
	"eyJhbGciOiJIUzM4NCIsImtpZCI6InNlY3JldCIsInR5cCI6IkpXVCJ9.eyJzdWIiO" \
	"iJtZSIsImF1ZCI6InNsdWljZSIsImV4cCI6NDEwMjQ0NDgwMH0.0NBN2yqRzL1FM0b" \
	"cd8pvgFI9LTYgDZksNl8RGZY_BGNzxL269mUEylyKdl2HTTby"
#define JWT_TOKEN_NO_KID \
	"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiAibWUiLCAiYXVkIjogInNsdWljZSIsICJle" \
	"HAiOiA0MTAyNDQ0ODAwfQ.7NY0NSRmrA81kfWsxHE5_BzwAQ6M4AkehgH-hDVBiQc"
#define JWT_TOKEN_OWN_KEY \
	"eyJhbGciOiAiSFMyNTYiLCAiandrIjogeyJrdHkiOiAib2N0IiwgImsiOiAiYTJ0cm" \
	"EydHJhMnRyYTJ0cmEydHJhMnRyYTJ0cmEydHJhMnRyYTJ0cmEycyJ9fQ.eyJzdWIiO" \
	"iAibWUiLCAiYXVkIjogInNsdWljZSIsICJleHAiOiA0MTAyNDQ0ODAwfQ.xfR6Tmn3" \
	"Jq12b3URkOaUUSw0fymYjrLMMTcSFQy1Bco"

#endif
