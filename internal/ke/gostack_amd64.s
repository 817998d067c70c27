#include "textflag.h"

// func currentG() uintptr
TEXT ·currentG(SB), NOSPLIT|NOFRAME, $0-8
	MOVQ (TLS), AX
	MOVQ AX, ret+0(FP)
	RET

// func readStack(f []goFrame) int
// A frame pointer leads to the caller's frame pointer; behind it lies the address to return to.
TEXT ·readStack(SB), NOSPLIT|NOFRAME, $0-32
	MOVQ f_base+0(FP), DI
	MOVQ f_len+8(FP), CX
	XORQ AX, AX
	MOVQ BP, DX

next:
	CMPQ AX, CX
	JGE  done
	TESTQ DX, DX
	JEQ  done
	MOVQ DX, 0(DI)
	MOVQ 8(DX), SI
	MOVQ SI, 8(DI)
	MOVQ 0(DX), DX
	ADDQ $16, DI
	INCQ AX
	JMP  next

done:
	MOVQ AX, ret+24(FP)
	RET
