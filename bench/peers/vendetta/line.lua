-- line.lua: answers every line with itself, over Vendetta's line layer. It prints `port N`.
--
-- Run it with `coir -l coir.compat.vendetta`.
local listening = TCP.make_server(0, nil, function(conn, line) conn:Send(line .. '\n') end)
print('port ' .. listening:GetSockName():match('%d+$'))
io.stdout:flush()
