-- For wrk: asks for each line of a file in turn, `wrk -s paths.lua URL -- FILE`.

local paths, last = {}, 0

function init(arguments)
  for line in io.lines(arguments[1]) do
    paths[#paths + 1] = line
  end
end

function request()
  last = last % #paths + 1
  return wrk.format("GET", paths[last])
end
