#!/bin/sh
# Stands in for edgeplan-cbc and misbehaves as $FAKE_CBC says.
cat > /dev/null
case "$FAKE_CBC" in
    dies) echo 'Assertion failed' >&2; kill -ABRT $$ ;;
    hangs) trap '' INT; exec sleep 100 ;;
    garbage) echo 'Cbc0001I Search completed' ;;
    half) printf '{"status":"Optimal","values":[0.0,1' ;;
    short) reply='{"status":"Optimal","values":[1.0],"objective":1.0,"bound":1.0' ;;
    bound) reply='{"status":"TimeLimit","values":null,"objective":null,"bound":1e12' ;;
    none) reply='{"status":"TimeLimit","values":null,"objective":null,"bound":null' ;;
esac
if [ -n "$reply" ]; then
    echo 'Enumerated nodes:               42'
    echo "$reply"',"nodes":null,"iterations":null}'
fi
