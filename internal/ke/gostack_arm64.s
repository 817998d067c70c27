#include "textflag.h"

// func currentG() uintptr
TEXT ·currentG(SB), NOSPLIT|NOFRAME, $0-8
	MOVD g, ret+0(FP)
	RET

// func readStack(f []goFrame) int
// A frame pointer leads to the caller's frame pointer; behind it lies the address to return to.
TEXT ·readStack(SB), NOSPLIT|NOFRAME, $0-32
	MOVD f_base+0(FP), R0
	MOVD f_len+8(FP), R1
	MOVD $0, R2
	MOVD R29, R3

next:
	CMP  R1, R2
	BGE  done
	CBZ  R3, done
	MOVD 8(R3), R4
	MOVD R3, 0(R0)
	MOVD R4, 8(R0)
	MOVD 0(R3), R3
	ADD  $16, R0
	ADD  $1, R2
	B    next

done:
	MOVD R2, ret+24(FP)
	RET
