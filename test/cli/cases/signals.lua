-- SIGINT. The script sends it to itself through a child, so that it comes at a known moment; where
-- in the C functions of that moment it is noticed may differ, hence only messages are compared.
local interrupt = [[io.popen("kill -INT $PPID"):close() ]]
local forever = [[while true do end]]
local spin = interrupt .. forever

local function with(title, code)
  return { title, "lua -e '" .. code .. "'", stderr = "messages" }
end

return {
  with("SIGINT ends a loop", spin),
  with("SIGINT ends a loop in a function",
    [[local function spin() ]] .. forever .. [[ end ]] .. interrupt .. [[spin()]]),
  with("SIGINT ends a loop of C calls", interrupt .. [[while true do math.floor(1.5) end]]),
  with("SIGINT is an error that pcall catches",
    [[local ok, e = pcall(function() ]] .. spin .. [[ end) print(ok, e:match("interrupted!"))]]),
  with("SIGINT runs to-be-closed variables",
    [[local x <close> = setmetatable({}, { __close = function() print("closed") end }) ]] .. spin),
  with("SIGINT runs finalizers",
    [[setmetatable({}, { __gc = function() print("finalized") end }) ]] .. spin),
  with("SIGINT flushes stdout", [[io.write("buffered") ]] .. spin),
  with("SIGINT in a message handler's function",
    [[print(xpcall(function() ]] .. spin .. [[ end,
      function(m) return m:match("interrupted!") end))]]),
  with("a second SIGINT ends the process",
    [[pcall(function() ]] .. spin .. [[ end) print("caught") io.stdout:flush() ]] .. spin),
  { "SIGINT in LUA_INIT",
    [[LUA_INIT='io.popen("kill -INT $PPID"):close() while true do
      end' lua -e 'print(1)']], stderr = "messages" },
  { "SIGINT in a script",
    [[echo 'io.popen("kill -INT $PPID"):close() while true do end' >spins.lua; lua spins.lua;
      echo $?]], stderr = "messages" },
  { "SIGINT in piped stdin",
    [[echo 'io.popen("kill -INT $PPID"):close() while true do end' | lua -;
      echo $?]], stderr = "messages" },
  { "SIGINT in a required module",
    [[echo 'io.popen("kill -INT $PPID"):close() while true do end' >spinning.lua;
      lua -l spinning -e 'print(1)']], stderr = "messages" },
  { "SIGINT in -i ends the statement only", [[lua -i; echo $?]], stderr = "messages",
    stdin = table.concat({
      "io.popen('kill -INT $PPID'):close() while true do end", "print('next')",
      "io.popen('kill -INT $PPID'):close() while true do end", "print('last')\n" }, "\n") },
  { "SIGINT ignored by the parent still interrupts",
    [[trap '' INT; lua -e 'io.popen("kill -INT $PPID"):close() while true do
      end']], stderr = "messages" },
  { "SIGINT from outside",
    [[lua -e 'io.open("ready", "w"):close() while true do end' & until [ -e ready ]; do sleep 0.01;
      done; kill -INT $!; wait $!; echo $?; rm ready]], stderr = "messages" },
  { "SIGINT during os.execute is the child's alone",
    [[lua -e 'print(os.execute("kill -INT $PPID; sleep 0.1; echo slept")) print("on")']] },
  { "SIGINT to the group during os.execute ends the child",
    [[setsid lua -e 'print(os.execute("echo >ready; exec sleep 20")) print("on")' &
      until [ -s ready ]; do sleep 0.01; done; kill -INT -$!; wait $!; echo $?; rm ready]] },
  { "SIGINT handled by a child",
    [[lua -e 'print(os.execute("trap \"echo trapped; exit 5\" INT; kill -INT $$; sleep 5"))']] },
}
