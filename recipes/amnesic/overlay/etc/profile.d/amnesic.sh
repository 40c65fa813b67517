# programs that look for a proxy find Tor
export ALL_PROXY=socks5h://127.0.0.1:9050 SOCKS_SERVER=127.0.0.1:9050
export HISTFILE=/dev/null
