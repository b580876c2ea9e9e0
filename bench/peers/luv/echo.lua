-- echo.lua: sends back what arrives, with luv's callbacks. It prints `port N`.

local uv = require 'luv'

local server = uv.new_tcp()
assert(server:bind('127.0.0.1', 0))
assert(server:listen(4096, function(problem)
  assert(not problem, problem)
  local client = uv.new_tcp()
  server:accept(client)
  client:nodelay(true)
  client:read_start(function(failed, data)
    if failed or not data then return client:close() end
    client:write(data)
  end)
end))
print('port ' .. server:getsockname().port)
io.stdout:flush()
uv.run()
