-- vendetta_lines.lua: an echo of lines over Vendetta's line layer. It prints `port N`.
--
-- Run it with `coir -l coir.compat.vendetta`; bench/run_echo --mode line compares it with the plain server.
local listening = TCP.make_server(0, nil, function(conn, line) conn:Send(line .. '\n') end)
print('port ' .. listening:GetSockName():match('%d+$'))
io.stdout:flush()
