-- line.lua: answers every line with itself, with luv's callbacks. It prints `port N`.

local uv = require 'luv'

local function serve(client)
  local buffered = ''
  client:read_start(function(failed, data)
    if failed or not data then return client:close() end
    buffered = buffered .. data
    local first = 1
    for line, after in buffered:gmatch('([^\n]*\n)()') do
      client:write(line)
      first = after
    end
    buffered = buffered:sub(first)
  end)
end

local server = uv.new_tcp()
assert(server:bind('127.0.0.1', 0))
assert(server:listen(4096, function(problem)
  assert(not problem, problem)
  local client = uv.new_tcp()
  server:accept(client)
  client:nodelay(true)
  serve(client)
end))
print('port ' .. server:getsockname().port)
io.stdout:flush()
uv.run()
