# Nested tensors: batches whose rows have lengths of their own, between a mask and padding.
#=== nested and padded again
class M(Module):
  def forward(self) -> Tuple[Tensor, Tensor, Tensor, bool, bool, int, int, int]:
    x = torch.view(torch.to(torch.arange(24), 6), [3, 4, 2])
    mask = torch.tensor([[True, True, False, False], [False, False, False, False], [True, True, True, False]])
    n = torch._nested_tensor_from_mask(x, mask)
    _0 = torch.zero_(x)
    return (torch.to_padded_tensor(n, 0.), torch.to_padded_tensor(n, -1.5, [3, 5, 3]), torch.to_padded_tensor(torch.add(torch.relu(n), n), 0.),
            ops.prim.is_nested(n), ops.prim.is_nested(x), torch.dim(n), torch.numel(n), torch.size(n, 2))
#=== a layer of a transformer on nested rows
class M(Module):
  def forward(self) -> Tuple[Tensor, Tensor]:
    x = torch.sin(torch.view(torch.to(torch.arange(32), 6), [2, 4, 4]))
    w, u, f, g = torch.cos(torch.view(torch.arange(48), [12, 4])), torch.cos(torch.view(torch.arange(16), [4, 4])), torch.sin(torch.view(torch.arange(24), [6, 4])), torch.sin(torch.view(torch.arange(24), [4, 6]))
    a, b = torch.linspace(-1, 1, 12), torch.linspace(0.5, 1.5, 4)
    n = torch._nested_tensor_from_mask(x, torch.tensor([[True, True, False, False], [True, True, True, False]]))
    y = torch._transformer_encoder_layer_fwd(n, 4, 2, w, a, u, b, True, False, 0.001, b, b, b, b, f, torch.linspace(0, 1, 6), g, b)
    z = torch._transformer_encoder_layer_fwd(y, 4, 2, w, a, u, b, False, True, 0.001, b, b, b, b, f, torch.linspace(0, 1, 6), g, b)
    q, _0 = torch._native_multi_head_attention(n, n, n, 4, 2, w, a, u, b, None, False)
    return (torch.to_padded_tensor(z, 0.), torch.to_padded_tensor(torch.gelu(torch.linear(q, u, b)), 0.))
#=== gaps in the mask of a nested tensor
class M(Module):
  def forward(self) -> Tensor:
    return torch._nested_tensor_from_mask(torch.ones([1, 3, 2]), torch.tensor([[True, False, True]]))
#=== a nested tensor truncated
class M(Module):
  def forward(self) -> Tensor:
    return torch.to_padded_tensor(torch._nested_tensor_from_mask(torch.ones([1, 3, 2]), torch.tensor([[True, True, False]])), 0., [1, 1, 2])
#=== the irregular size of a nested tensor
class M(Module):
  def forward(self) -> int:
    return torch.size(torch._nested_tensor_from_mask(torch.ones([2, 3, 2]), torch.tensor([[True, True, False], [True, False, False]])), 1)
#=== a nested tensor plus a tensor
class M(Module):
  def forward(self) -> Tensor:
    return torch.add(torch._nested_tensor_from_mask(torch.ones([1, 3, 2]), torch.tensor([[True, True, False]])), torch.ones([2]))
#=== an operator without nested tensors
class M(Module):
  def forward(self) -> Tensor:
    return torch.cumsum(torch._nested_tensor_from_mask(torch.ones([1, 3, 2]), torch.tensor([[True, True, False]])), 0)
